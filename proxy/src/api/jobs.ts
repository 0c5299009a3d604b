import { JOB_ORDERS, type JobOrder, JOBS_PATH } from '@ostler/contract/jobs.ts'
import { Fault } from '@ostler/contract/fault.ts'
import * as z from 'zod'
import { listJobs, orderJob, showJob } from '../store/jobs.ts'
import { jobRow, jobShown } from './answers.ts'
import { listRoute, type Route, route } from './route.ts'

const query = z.strictObject({
  after: z.string().optional().describe('the last line of the log that is known'),
})

/** Shows jobs, and orders something of them. hkd does them. */
export function jobRoutes(): Route[] {
  return [
    listRoute({
      path: JOBS_PATH,
      summary: 'The newest jobs, newest first.',
      needs: 'job.see',
      reach: 'all',
      row: jobRow,
      hints: ['ostler_job'],
      rows: (db) => listJobs(db),
    }),
    route({
      method: 'get',
      path: `${JOBS_PATH}/:number`,
      summary: 'A job with its desktops and its log.',
      needs: 'job.see',
      query,
      answer: jobShown,
      hints: ['ostler_job', 'ostler_vm'],
      gatherMs: 1_000,
      run: async ({ db, part, query: { after: text = '0' } }) => {
        const after = Number(text)
        if (!Number.isSafeInteger(after)) throw new Fault('request.invalid', { problem: 'after is a number' })
        return await showJob(db, jobNumber(part('number')), after)
      },
    }),
    ...(Object.keys(JOB_ORDERS) as JobOrder[]).map((order) =>
      route({
        method: 'post',
        path: `${JOBS_PATH}/:number/${order}`,
        summary: `Orders a job to ${order}.`,
        needs: 'job.change',
        run: async ({ db, part, caller }) => {
          await orderJob(db, jobNumber(part('number')), order, caller.name)
          return {}
        },
      }),
    ),
  ]
}

/** The number in a path. @throws Fault `object.unknown`. */
export function jobNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Fault('object.unknown', { kind: 'job', name: text })
  return Number(text)
}
