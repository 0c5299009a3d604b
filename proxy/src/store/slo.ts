import { type BadStart, type HopTimes, START_HOPS } from '@ostler/contract/slo.ts'
import { type RawBuilder, sql } from 'kysely'
import type { CountedStarts } from '../model/slo.ts'
import { userOfDesktop } from './desktop-user.ts'
import type { Db } from './open.ts'

/** Which starts are looked at. */
export interface StartsAsked {
  readonly days: number
  /** Those of users of one tenant; `undefined`: all. */
  readonly tenantId?: number | undefined
  /** Those of one flavour. */
  readonly flavourId?: number | undefined
  /** Those of flavours that promise something. */
  readonly promised?: boolean
}

/** A connection that comes later than this after the desktop runs is another visit, of somebody for whom nothing was started. */
const VISIT_SECONDS = 300
/** Of how many good starts is known what is usual. */
const USUAL_OF = 5

const ms = (from: RawBuilder<unknown>, to: RawBuilder<unknown>): RawBuilder<number> =>
  sql`(extract(epoch FROM greatest(interval '0', ${to} - ${from})) * 1000)::float8`

/**
 * The starts that ended, with what each hop took, in the order of `START_HOPS`, as tables of a `WITH`:
 *
 * - `start`: those that came to run. Only of those for which somebody waited is known what came behind: another one's account and
 *   session are made whenever she comes. A start begins with its wish, or with the failure before it: that was told already.
 * - `usual`: what a hop takes in good starts, half of which take less; nothing where there were too few.
 * - `bad`: what was late or failed, and the hop that took the most time beyond what is usual there; what has failed did so where it was.
 */
function starts({ days, tenantId, flavourId, promised = false }: StartsAsked): RawBuilder<unknown> {
  const since = sql`now() - make_interval(days => ${days}::int)`
  const from = sql`ostler.vm JOIN ostler.flavour ON flavour.id = vm.flavour_id JOIN ostler.users ON users.id = ${userOfDesktop}`
  const asked = sql`(${tenantId ?? null}::int IS NULL OR users.tenant_id = ${tenantId ?? null}::int)
    AND (${flavourId ?? null}::int IS NULL OR flavour.id = ${flavourId ?? null}::int)
    AND (NOT ${promised}::boolean OR slo_seconds IS NOT NULL)`
  const at = (step: string): RawBuilder<Date> => sql`max(t.at) FILTER (WHERE t.step = ${step})`
  return sql`
    up AS (
      SELECT vm.id AS vm_id, vm.name AS vm, vm.flavour_id, slo_seconds, up.epoch, up.at AS runs
      FROM ostler.timeline AS up JOIN ${from} ON up.vm_id = vm.id
      WHERE up.step = 'agent up' AND up.at > ${since} AND ${asked}),
    stepped AS (
      SELECT up.*, greatest(queued, failed) AS queued, placed, prepared,
        least(greatest(account, runs), connected) AS account,
        least(greatest(session, account, runs), connected) AS session, connected
      FROM up
        CROSS JOIN LATERAL (
          SELECT ${at('queued')} AS queued, ${at('placed')} AS placed, ${at('prepared')} AS prepared,
            ${at('user ready')} AS account, ${at('display ready')} AS session, ${at('connected')} AS seen
          FROM ostler.timeline AS t WHERE t.vm_id = up.vm_id AND t.epoch = up.epoch) AS steps
        CROSS JOIN LATERAL (
          SELECT max(l.at) AS failed FROM ostler.vm_log AS l
          WHERE l.vm_id = up.vm_id AND l.state = 'failed' AND l.at > queued AND l.at < placed) AS before
        CROSS JOIN LATERAL (
          SELECT CASE WHEN seen < runs + make_interval(secs => ${VISIT_SECONDS}) AND EXISTS (
            SELECT FROM ostler.wish WHERE wish.vm_id = up.vm_id AND interactive AND outcome = 'running'
              AND closed_at BETWEEN coalesce(queued, placed) AND runs) THEN seen END AS connected
          OFFSET 0) AS visit), -- asked once, not wherever it is named
    timed AS (
      SELECT vm_id, vm, flavour_id, epoch, slo_seconds, coalesce(connected, runs) AS at,
        ${ms(sql`coalesce(queued, placed, runs)`, sql`coalesce(connected, runs)`)} AS took,
        ARRAY[${ms(sql`queued`, sql`placed`)}, ${ms(sql`placed`, sql`prepared`)}, ${ms(sql`prepared`, sql`runs`)},
          CASE WHEN connected IS NOT NULL THEN ${ms(sql`runs`, sql`account`)} END,
          CASE WHEN connected IS NOT NULL THEN ${ms(sql`account`, sql`session`)} END,
          CASE WHEN connected IS NOT NULL THEN ${ms(sql`coalesce(session, runs)`, sql`connected`)} END] AS hops
      FROM stepped),
    start AS (SELECT *, coalesce(took > slo_seconds * 1000, false) AS is_late FROM timed),
    spent AS (
      SELECT start.*, h.hop::int, h.hop_ms FROM start CROSS JOIN LATERAL unnest(hops) WITH ORDINALITY AS h (hop_ms, hop)
      WHERE h.hop_ms IS NOT NULL),
    usual AS (
      SELECT flavour_id, hop, percentile_cont(0.5) WITHIN GROUP (ORDER BY hop_ms) AS usual_ms
      FROM spent WHERE NOT is_late GROUP BY flavour_id, hop HAVING count(*) >= ${USUAL_OF}),
    late AS (
      SELECT DISTINCT ON (vm_id, epoch) vm, flavour_id, at, took, hop, hop_ms, coalesce(usual_ms, 0) AS usual_ms
      FROM spent LEFT JOIN usual USING (flavour_id, hop) WHERE is_late
      ORDER BY vm_id, epoch, hop_ms - coalesce(usual_ms, 0) DESC, hop),
    bad AS (
      SELECT vm, flavour_id, at, took, hop, hop_ms, usual_ms, NULL AS fault FROM late
      UNION ALL
      SELECT vm.name, flavour.id, l.at, NULL, CASE l.prior WHEN 'booting' THEN 3 WHEN 'preparing' THEN 2 ELSE 1 END,
        NULL, 0, l.fault
      FROM ostler.vm_log AS l JOIN ${from} ON vm.id = l.vm_id
      WHERE l.at > ${since} AND ${asked} AND (l.event = ${REFUSED}
        OR l.prior IN ('preparing', 'booting') AND l.state IN ('failed', 'killing', 'lost')))`
}

/** The event of a start for which there is no node. */
const REFUSED = 'refused'

/** A flavour's starts as they were counted, and hop by hop. */
export interface StartsRead {
  readonly counted: CountedStarts
  /** All of `START_HOPS`, in their order. */
  readonly hops: readonly HopTimes[]
}

/** How starts went, of each flavour that promises something or had any, by name. */
export async function readStarts(db: Db, asked: StartsAsked): Promise<readonly StartsRead[]> {
  const { rows } = await sql<CountedStarts & { hops: (Omit<HopTimes, 'hop'> & { hop: number })[] }>`
    WITH ${starts(asked)},
    hops AS MATERIALIZED (
      SELECT flavour_id, hop, "medianMs", "percentMs", coalesce(blamed, 0) AS blamed, coalesce("lostMs", 0) AS "lostMs"
      FROM (
        SELECT flavour_id, hop, percentile_cont(0.5) WITHIN GROUP (ORDER BY hop_ms) AS "medianMs",
          percentile_cont((SELECT slo_percent / 100 FROM ostler.flavour WHERE id = flavour_id))
            WITHIN GROUP (ORDER BY hop_ms) AS "percentMs"
        FROM spent GROUP BY flavour_id, hop) AS took
      FULL JOIN (
        SELECT flavour_id, hop, count(*)::int AS blamed, sum(greatest(0, hop_ms - usual_ms)) AS "lostMs"
        FROM bad GROUP BY flavour_id, hop) AS to_blame USING (flavour_id, hop))
    SELECT flavour.name AS osf, slo_seconds AS seconds, slo_percent AS percent, ran + failed AS starts, late, failed,
      "medianMs", "percentMs",
      coalesce((SELECT json_agg(hops) FROM hops WHERE flavour_id = flavour.id), '[]') AS hops
    FROM ostler.flavour
      CROSS JOIN LATERAL (
        SELECT count(*)::int AS ran, (count(*) FILTER (WHERE is_late))::int AS late,
          round(percentile_cont(0.5) WITHIN GROUP (ORDER BY took))::int AS "medianMs",
          round(percentile_cont(slo_percent / 100) WITHIN GROUP (ORDER BY took))::int AS "percentMs"
        FROM start WHERE flavour_id = flavour.id) AS counted
      CROSS JOIN LATERAL (
        SELECT count(*)::int AS failed FROM bad WHERE flavour_id = flavour.id AND took IS NULL) AS gone
    WHERE ran + failed > 0 OR flavour.id = ${asked.flavourId ?? null}::int OR slo_seconds IS NOT NULL
      AND ${asked.flavourId ?? null}::int IS NULL
      AND (${asked.tenantId ?? null}::int IS NULL OR coalesce(flavour.tenant_id, ${asked.tenantId ?? null}::int)
        = ${asked.tenantId ?? null}::int)
    ORDER BY flavour.name`.execute(db)
  return rows.map(({ hops, ...counted }) => ({
    counted,
    hops: START_HOPS.map((hop, index) => {
      const found = hops.find((each) => each.hop === index + 1)
      return {
        hop,
        medianMs: whole(found?.medianMs),
        percentMs: whole(found?.percentMs),
        blamed: found?.blamed ?? 0,
        lostMs: whole(found?.lostMs) ?? 0,
      }
    }),
  }))
}

/** The newest starts that were late or failed. @param most so many. */
export async function readBadStarts(db: Db, asked: StartsAsked, most: number): Promise<BadStart[]> {
  interface Row {
    readonly vm: string
    readonly at: Date
    readonly took: number | null
    readonly hop: number
    readonly hop_ms: number | null
    readonly usual_ms: number
    readonly fault: string | null
  }
  const { rows } = await sql<Row>`
    WITH ${starts(asked)}
    SELECT vm, at, took, hop, hop_ms, usual_ms, fault FROM bad ORDER BY at DESC LIMIT ${most}`.execute(db)
  return rows.map(({ vm, at, took, hop, hop_ms, usual_ms, fault }) => ({
    ...{ vm, fault, at: at.toISOString(), tookMs: whole(took) },
    blamed: START_HOPS[hop - 1] ?? START_HOPS[0],
    hopMs: whole(hop_ms),
    usualMs: Math.round(usual_ms),
  }))
}

/**
 * Writes into the log of a desktop at rest that it cannot start, as there is no node for it.
 * @param refusal why.
 */
export async function refuseStart(
  db: Db,
  vm: { readonly id: number; readonly state: string; readonly epoch: number },
  refusal: string,
): Promise<void> {
  await sql`
    INSERT INTO ostler.vm_log (vm_id, epoch, event, prior, state, fault)
    VALUES (${vm.id}, ${vm.epoch}, ${REFUSED}, ${vm.state}, ${vm.state}, ${refusal})`.execute(db)
}

function whole(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : Math.round(ms)
}
