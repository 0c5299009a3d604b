import { sql } from 'kysely'
import { HOST_SILENT_SECONDS } from '../model/host.ts'
import { userOfDesktop } from './desktop-user.ts'
import type { Db } from './open.ts'
import { userState } from './seats.ts'

/** Starts and failures are those of a day. */
const SPAN = sql`interval '24 hours'`
/** Of failures the most frequent ones. */
const MOST_FAILURES = 12

/** How everything stands, in numbers. Times are ISO 8601, durations in seconds. */
export interface Overview {
  readonly desktops: readonly { state: string; count: number; blocked: number }[]
  /** Desktops at which somebody sits. */
  readonly sessions: number
  readonly hosts: readonly {
    name: string
    state: string
    blocked: boolean
    silent: boolean
    desktops: number
    memory: number
    used: number
  }[]
  readonly starts: StartTimes
  readonly hours: readonly (StartTimes & { readonly at: string })[]
  readonly failures: readonly { code: string; text: string; count: number; last: string; desktop: string }[]
}

interface StartTimes {
  readonly count: number
  /** Seconds from the wish to the agent's first word; null: there was no start. */
  readonly p50: number | null
  readonly p98: number | null
}

/** @param tenantId what is of one tenant alone, and then no nodes. */
export async function readOverview(db: Db, tenantId: number | undefined): Promise<Overview> {
  const hers =
    tenantId === undefined
      ? sql``
      : sql`AND EXISTS (SELECT FROM ostler.users WHERE users.id = ${userOfDesktop} AND users.tenant_id = ${tenantId})`
  // From the log's index by time to the timeline's key: it costs what a day had, not what there ever was.
  const starts = sql`
    SELECT up.at, extract(epoch FROM up.at - queued.at)::float8 AS seconds
    FROM ostler.vm_log up JOIN ostler.vm ON vm.id = up.vm_id
      JOIN ostler.timeline queued ON queued.vm_id = up.vm_id AND queued.epoch = up.epoch AND queued.step = 'queued'
    WHERE up.at > now() - ${SPAN} AND up.state = 'running' AND up.prior = 'booting' ${hers}`
  const times = sql`count(*)::int AS count, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS p50,
    percentile_cont(0.98) WITHIN GROUP (ORDER BY seconds) AS p98`
  const desktops = await sql<Overview['desktops'][number]>`
    SELECT state, count(*)::int AS count, (count(*) FILTER (WHERE blocked))::int AS blocked
    FROM ostler.vm WHERE true ${hers} GROUP BY state ORDER BY state`.execute(db)
  const sessions = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM ostler.seat JOIN ostler.vm ON vm.id = seat.vm_id
    WHERE ${userState} <> 'disconnected' ${hers}`.execute(db)
  const whole = await sql<StartTimes>`SELECT ${times} FROM (${starts}) AS starts`.execute(db)
  const hours = await sql<StartTimes & { at: Date }>`
    SELECT date_trunc('hour', at) AS at, ${times} FROM (${starts}) AS starts GROUP BY 1 ORDER BY 1`.execute(
    db,
  )
  const failures = await sql<Omit<Overview['failures'][number], 'last'> & { last: Date }>`
    SELECT coalesce(failed.fault_code, '') AS code, count(*)::int AS count, max(failed.at) AS last,
      (array_agg(failed.fault ORDER BY failed.id DESC))[1] AS text,
      (array_agg(vm.name ORDER BY failed.id DESC))[1] AS desktop
    FROM ostler.vm_log failed JOIN ostler.vm ON vm.id = failed.vm_id
    WHERE failed.at > now() - ${SPAN} AND failed.fault IS NOT NULL ${hers}
    GROUP BY 1 ORDER BY count DESC, last DESC LIMIT ${MOST_FAILURES}`.execute(db)
  return {
    desktops: desktops.rows,
    sessions: sessions.rows[0]?.count ?? 0,
    hosts: tenantId === undefined ? await readHosts(db) : [],
    starts: whole.rows[0] ?? { count: 0, p50: null, p98: null },
    hours: hours.rows.map((row) => ({ ...row, at: row.at.toISOString() })),
    failures: failures.rows.map((row) => ({ ...row, last: row.last.toISOString() })),
  }
}

/** Nodes, and how much of their memory is promised to the desktops that they have. */
async function readHosts(db: Db): Promise<Overview['hosts']> {
  const { rows } = await sql<Overview['hosts'][number]>`
    SELECT host.name, host.state, host.blocked, host.memory_mb AS memory,
      host.state = 'running' AND host.seen_at < now() - make_interval(secs => ${HOST_SILENT_SECONDS}) AS silent,
      count(vm.id)::int AS desktops, coalesce(sum(flavour.memory_mb), 0)::int AS used
    FROM ostler.host LEFT JOIN ostler.vm ON vm.host_id = host.id LEFT JOIN ostler.flavour ON flavour.id = vm.flavour_id
    GROUP BY host.id ORDER BY host.name`.execute(db)
  return rows
}
