import { OVERVIEW_PATH } from '@ostler/contract/admin-api.ts'
import * as z from 'zod'
import { readOverview } from '../store/overview.ts'
import { type Route, route, time } from './route.ts'

const count = z.int()
const seconds = z.number().nullable()
const starts = {
  count,
  p50: seconds.describe('seconds from the wish to the word of its agent'),
  p98: seconds,
}

/** How everything stands, in numbers. */
export function overviewRoute(): Route {
  return route({
    method: 'get',
    path: OVERVIEW_PATH,
    summary:
      'How many desktops there are in each state, nodes, sessions, and the starts and failures of a day.',
    needs: 'desktop.see',
    reach: 'tenant',
    answer: z.strictObject({
      desktops: z.array(z.strictObject({ state: z.string(), count, blocked: count })),
      sessions: count,
      hosts: z.array(
        z.strictObject({
          ...{ name: z.string(), state: z.string(), blocked: z.boolean(), silent: z.boolean() },
          desktops: count,
          memory: count.describe('megabytes'),
          used: count.describe('megabytes promised to desktops that it has'),
        }),
      ),
      starts: z.strictObject(starts),
      hours: z.array(z.strictObject({ at: time, ...starts })),
      failures: z.array(
        z.strictObject({ code: z.string(), text: z.string(), count, last: time, desktop: z.string() }),
      ),
    }),
    hints: ['ostler_vm', 'ostler_seat', 'ostler_host', 'ostler_admin'],
    gatherMs: 1_000,
    run: async ({ db, tenantId }) => await readOverview(db, tenantId),
  })
}
