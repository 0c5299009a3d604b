import { COUNTERS_PATHS } from '@ostler/contract/admin-api.ts'
import * as z from 'zod'
import { listDesktopCounters, listHostCounters } from '../store/counters.ts'
import { listRoute, type Route } from './route.ts'

const count = z.int()
const hostCounters = z.strictObject({
  ...{ id: count, name: z.string(), http_requests: count, auth_attempts: count, auth_ok: count },
  ...{ nx_attempts: count, nx_ok: count, short_sessions: count },
})
const desktopCounters = z.strictObject({
  ...{ id: count, name: z.string(), running: z.boolean(), blocked: z.boolean() },
  ...{ run_attempts: count, run_ok: count },
})

/** What nodes and desktops have counted. */
export function counterRoutes(): Route[] {
  return [
    listRoute({
      path: COUNTERS_PATHS.host,
      summary: 'What nodes have counted.',
      needs: 'host.see',
      reach: 'all',
      row: hostCounters,
      rows: (db) => listHostCounters(db),
    }),
    listRoute({
      path: COUNTERS_PATHS.vm,
      summary: 'How often desktops were started, and came to run.',
      needs: 'desktop.see',
      row: desktopCounters,
      rows: listDesktopCounters,
    }),
  ]
}
