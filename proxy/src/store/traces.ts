import type { TimelineStep } from '@ostler/contract/timeline.ts'
import { sql } from 'kysely'
import type { TracedStart } from '../model/start-trace.ts'
import type { Db } from './open.ts'

/** A span of time by the database's clock, ISO 8601 with microseconds. */
export interface TraceSpan {
  readonly after: string
  readonly until: string
}

/** The database's time, so many seconds ago. */
export async function timeAgo(db: Db, seconds: number): Promise<string> {
  const { rows } = await sql<{ at: string }>`
    SELECT (now() - make_interval(secs => ${seconds}))::text AS at`.execute(db)
  return rows[0]?.at ?? ''
}

/** The starts of a node that came to run within a span, oldest first. @param most so many, and those of the same moment as the last. */
export async function readStartsToTrace(
  db: Db,
  hostId: number,
  { after, until }: TraceSpan,
  most: number,
): Promise<readonly (TracedStart & { readonly ranAt: string })[]> {
  const { rows } = await sql<{
    vmId: number
    vm: string
    flavour: string
    node: string
    epoch: number
    connection: string | null
    ranAt: string
    steps: Partial<Record<TimelineStep, number>>
  }>`
    SELECT up.vm_id AS "vmId", vm.name AS vm, flavour.name AS flavour, host.name AS node, up.epoch, up.at::text AS "ranAt",
      (SELECT connection FROM ostler.wish WHERE wish.vm_id = up.vm_id AND wish.at <= up.at AND connection IS NOT NULL
        AND coalesce(closed_at, now()) >= up.at - interval '1 minute' ORDER BY number DESC LIMIT 1) AS connection,
      (SELECT json_object_agg(step, extract(epoch FROM at) * 1000) FROM ostler.timeline AS t
        WHERE t.vm_id = up.vm_id AND t.epoch = up.epoch) AS steps
    FROM ostler.timeline AS up
      JOIN ostler.vm ON vm.id = up.vm_id
      JOIN ostler.flavour ON flavour.id = vm.flavour_id
      JOIN ostler.host ON host.id = vm.host_id
    WHERE up.step = 'agent up' AND vm.host_id = ${hostId}
      AND up.at > ${after}::timestamptz AND up.at <= ${until}::timestamptz
    ORDER BY up.at FETCH FIRST ${most} ROWS WITH TIES`.execute(db)
  return rows
}
