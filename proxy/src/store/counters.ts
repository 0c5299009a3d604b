import { sql } from 'kysely'
import type { Db } from './open.ts'

const COUNTERS = [
  ...(['http_requests', 'auth_attempts', 'auth_ok', 'nx_attempts', 'nx_ok', 'short_sessions'] as const),
]

/** What nodes have counted since they were added. */
export async function listHostCounters(db: Db): Promise<Record<string, unknown>[]> {
  // Counters are larger than `int`; what they count is not larger than a number.
  const rows = await db
    .selectFrom('host')
    .leftJoin('host_counters', 'host_counters.host_id', 'host.id')
    .select(['host.id', 'host.name', ...COUNTERS])
    .orderBy('host.id')
    .execute()
  return rows.map((row) => ({
    ...row,
    ...Object.fromEntries(COUNTERS.map((counter) => [counter, Number(String(row[counter] ?? 0))])),
  }))
}

/** How often desktops were started, and how often they came to run, as far as the log goes back; of a tenant, or all. */
export async function listDesktopCounters(
  db: Db,
  tenantId: number | undefined,
): Promise<Record<string, unknown>[]> {
  const { rows } = await sql<Record<string, unknown>>`
    SELECT vm.id, vm.name, vm.state = 'running' AS running, vm.blocked, coalesce(starts.attempts, 0) AS run_attempts,
      coalesce(starts.ok, 0) AS run_ok
    FROM ostler.vm JOIN ostler.users ON users.id = user_id
      LEFT JOIN (SELECT vm_id, (count(*) FILTER (WHERE state = 'preparing'))::int AS attempts,
        (count(*) FILTER (WHERE state = 'running'))::int AS ok FROM ostler.vm_log GROUP BY vm_id) AS starts ON starts.vm_id = vm.id
    WHERE ${tenantId ?? null}::int IS NULL OR users.tenant_id = ${tenantId ?? null}::int ORDER BY vm.id`.execute(
    db,
  )
  return rows
}
