import { JOB_ORDERS, type JobOrder, JOBS_PATH } from '@ostler/contract/jobs.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Hono } from 'hono'
import { listJobs, orderJob, showJob } from '../store/jobs.ts'
import type { Db } from '../store/open.ts'

/** Who orders: whoever can open the socket is the administrator. */
export const ORDERED_BY = 'administrator'

/** Shows jobs, and orders something of them. hkd does them. */
export function addJobRoutes(app: Hono, db: Db): void {
  app.get(JOBS_PATH, async (context) => context.json(await listJobs(db)))
  app.get(`${JOBS_PATH}/:number`, async (context) => {
    const after = Number(context.req.query('after') ?? 0)
    if (!Number.isSafeInteger(after)) throw new Fault('request.invalid', { problem: 'after is a number' })
    return context.json(await showJob(db, jobNumber(context.req.param('number')), after))
  })
  for (const order of Object.keys(JOB_ORDERS) as JobOrder[])
    app.post(`${JOBS_PATH}/:number/${order}`, async (context) => {
      await orderJob(db, jobNumber(context.req.param('number')), order, ORDERED_BY)
      return context.json({})
    })
}

/** The number in a path. @throws Fault `object.unknown`. */
export function jobNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Fault('object.unknown', { kind: 'job', name: text })
  return Number(text)
}
