import { sql } from 'kysely'
import type { PoolFacts } from '../model/explain.ts'
import { type PoolAssignment, type PoolClaim, type PooledDesktop, poolSteps } from '../model/pool.ts'
import type { Db } from './open.ts'
import { prepared } from './prepared.ts'
import { HOST_SILENT_SECONDS } from '../model/host.ts'
import { transact } from './transact.ts'

/** A pool as doors see it. */
export interface PoolRow {
  readonly id: number
  readonly name: string
  readonly tenantId: number
  readonly flavourName: string
  readonly isApplication: boolean
  readonly assign: PoolAssignment
  readonly everyone: boolean
  readonly logins: readonly string[]
  readonly groups: readonly string[]
  readonly maintenance: string | null
}

function poolRows(db: Db) {
  return db
    .selectFrom('pool')
    .innerJoin('flavour', 'flavour.id', 'pool.flavour_id')
    .select([
      'pool.id',
      'pool.name',
      'pool.tenant_id as tenantId',
      'flavour.name as flavourName',
      'flavour.is_application as isApplication',
      'pool.assign',
      'pool.everyone',
      'pool.logins',
      'pool.groups',
    ])
    .select((eb) => eb.fn.coalesce('pool.maintenance', 'flavour.maintenance').as('maintenance'))
}

const poolsOfTenant = prepared<{ tenantId: number }, PoolRow>((db, { tenantId }) =>
  poolRows(db).where('pool.tenant_id', '=', tenantId).orderBy('pool.id'),
)

/** The pools of a tenant, by number. */
export async function listPools(db: Db, tenantId: number): Promise<PoolRow[]> {
  return (await poolsOfTenant(db, { tenantId })).rows
}

const poolById = prepared<{ id: number }, PoolRow>((db, { id }) => poolRows(db).where('pool.id', '=', id))

export async function findPool(db: Db, id: number): Promise<PoolRow | undefined> {
  return (await poolById(db, { id })).rows[0]
}

/** The desktop of a pool that a user has; `undefined`: none. */
export async function assignedDesktop(db: Db, poolId: number, userId: number): Promise<number | undefined> {
  const row = await db
    .selectFrom('vm')
    .select('id')
    .where('pool_id', '=', poolId)
    .where('assigned_user_id', '=', userId)
    .executeTakeFirst()
  return row?.id
}

/** Whose a desktop of a pool is, as `explain` tells it; `undefined`: it is in no pool. */
export async function poolOfDesktop(db: Db, vmId: number): Promise<PoolFacts | undefined> {
  const { rows } = await sql<PoolFacts>`
    SELECT pool.name, assigned.login AS user,
      (SELECT count(*)::int FROM ostler.pool_claim
        WHERE pool_id = pool.id AND closed_at IS NULL AND expires_at > now()) AS waiting,
      CASE WHEN vm.assigned_user_id IS NULL AND dirty.id IS NOT NULL THEN json_build_object(
        'of', dirty.login, 'since', vm.dirty_since, 'trouble', vm.held,
        'nodes', coalesce((SELECT json_agg(host.name ORDER BY host.name) FROM ostler.vm_remains
          JOIN ostler.host ON host.id = vm_remains.host_id WHERE vm_remains.vm_id = vm.id), '[]')) END AS reset
    FROM ostler.vm JOIN ostler.pool ON pool.id = vm.pool_id
      LEFT JOIN ostler.users AS assigned ON assigned.id = vm.assigned_user_id
      LEFT JOIN ostler.users AS dirty ON dirty.id = vm.dirty_user_id
    WHERE vm.id = ${vmId}`.execute(db)
  const [found] = rows
  if (found?.reset == null) return found
  return { ...found, reset: { ...found.reset, since: new Date(found.reset.since).toISOString() } }
}

// --- a user who waits ---

/**
 * Asks for a desktop of a pool, and hints at it. The claim ends by itself after `seconds` unless it is renewed.
 * @returns its number.
 */
export async function addPoolClaim(db: Db, poolId: number, userId: number, seconds: number): Promise<number> {
  const { rows } = await sql<{ number: number }>`
    WITH added AS (
      INSERT INTO ostler.pool_claim (pool_id, user_id, expires_at)
      VALUES (${poolId}, ${userId}, now() + make_interval(secs => ${seconds})) RETURNING number, pool_id)
    SELECT number, pg_notify('ostler_vm', pool_id::text) FROM added`.execute(db)
  return rows[0]?.number ?? 0
}

/** How a claim stands: the desktop that it got, or who else is before it. */
export type ClaimState =
  | { readonly kind: 'given'; readonly vmId: number }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'waiting'; readonly position: number }

export async function readPoolClaim(db: Db, number: number): Promise<ClaimState> {
  const { rows } = await sql<{
    vm_id: number | null
    outcome: string | null
    closed: boolean
    position: number
  }>`
    SELECT vm_id, outcome, closed_at IS NOT NULL AS closed,
      (SELECT count(*)::int FROM ostler.pool_claim AS other
        WHERE other.pool_id = mine.pool_id AND other.closed_at IS NULL AND other.expires_at > now()
          AND other.number <= mine.number) AS position
    FROM ostler.pool_claim AS mine WHERE number = ${number}`.execute(db)
  const row = rows[0]
  if (row === undefined) return { kind: 'refused', reason: 'the pool has been removed' }
  if (row.vm_id !== null) return { kind: 'given', vmId: row.vm_id }
  if (row.closed) return { kind: 'refused', reason: row.outcome ?? '' }
  return { kind: 'waiting', position: row.position }
}

/** Says that the user still waits; `0` seconds: that she has gone. */
export async function renewPoolClaim(db: Db, number: number, seconds: number): Promise<void> {
  await sql`
    UPDATE ostler.pool_claim SET expires_at = now() + make_interval(secs => ${seconds})
    WHERE number = ${number} AND closed_at IS NULL`.execute(db)
}

// --- what hkd does ---

/** So long a desktop stays its user's although she has not come to it. */
const NOT_COME_SECONDS = 120

/** The numbers of all pools. */
export async function poolIds(db: Db): Promise<number[]> {
  return (await db.selectFrom('pool').select('id').orderBy('id').execute()).map(({ id }) => id)
}

/** What was done in a pool, for the log. */
export interface PoolDone {
  readonly given: readonly { readonly vmId: number; readonly userId: number }[]
  readonly taken: readonly number[]
  readonly spare: readonly number[]
}

/**
 * Does what is to be done in a pool (`model/pool.ts`), in one transaction that no other one of the pool overlaps: no desktop is
 * given twice, and what is given holds its user's data from that moment.
 */
export async function tendPool(db: Db, poolId: number): Promise<PoolDone> {
  return await transact(db, async (tx) => {
    const pool = await tx
      .selectFrom('pool')
      .select(['id', 'assign', 'spare', 'most', 'maintenance'])
      .where('id', '=', poolId)
      .forUpdate()
      .executeTakeFirst()
    const done = {
      given: [] as { vmId: number; userId: number }[],
      taken: [] as number[],
      spare: [] as number[],
    }
    if (pool === undefined) return done
    await sql`
      UPDATE ostler.pool_claim SET closed_at = now(), outcome = 'nobody waits any more'
      WHERE pool_id = ${poolId} AND closed_at IS NULL AND expires_at <= now()`.execute(tx)
    if (pool.maintenance !== null) await refuseAll(tx, poolId, pool.maintenance)
    const claims = await openClaims(tx, poolId)
    // A desktop that moves between this look and the statement below is left for the next look.
    const desktops = await pooledDesktops(tx, poolId)
    const hold = pool.maintenance === null ? pool.spare : 0
    for (const step of poolSteps({ ...pool, spare: hold }, desktops, claims)) {
      const state = desktops.find(({ id }) => id === step.vmId)?.state ?? 'lost'
      if (step.kind === 'take') {
        if (await take(tx, step.vmId)) done.taken.push(step.vmId)
      } else if (step.kind === 'spare') {
        await tx
          .insertInto('wish')
          .values({ vm_id: step.vmId, kind: 'spare', by: 'pool', reason: 'to be ready for whoever comes' })
          .execute()
        done.spare.push(step.vmId)
        await hint(tx, step.vmId)
      } else if (await give(tx, { ...step, state })) done.given.push(step)
    }
    if (done.given.length > 0 || done.taken.length > 0) await hint(tx, poolId)
    return done
  })
}

async function openClaims(tx: Db, poolId: number): Promise<PoolClaim[]> {
  return await tx
    .selectFrom('pool_claim')
    .select(['number', 'user_id as userId'])
    .where('pool_id', '=', poolId)
    .where('closed_at', 'is', null)
    .orderBy('number')
    .execute()
}

async function refuseAll(tx: Db, poolId: number, sentence: string): Promise<void> {
  const { numAffectedRows } = await sql`
    UPDATE ostler.pool_claim SET closed_at = now(), outcome = ${sentence}
    WHERE pool_id = ${poolId} AND closed_at IS NULL`.execute(tx)
  if (Number(numAffectedRows ?? 0) > 0) await hint(tx, poolId)
}

/** The desktops of a pool, as `model/pool.ts` wants to see them. */
async function pooledDesktops(tx: Db, poolId: number): Promise<PooledDesktop[]> {
  const { rows } = await sql<PooledDesktop>`
    SELECT vm.id, vm.state, assigned_user_id AS "assignedTo", dirty_user_id AS "dirtyOf",
      coalesce((SELECT json_agg(host_id ORDER BY host_id) FROM ostler.vm_remains WHERE vm_id = vm.id), '[]') AS remains,
      NOT vm.blocked AND vm.maintenance IS NULL AND flavour.maintenance IS NULL
        AND (vm.host_id IS NULL OR host.maintenance IS NULL AND NOT host.blocked
          AND host.seen_at > now() - make_interval(secs => ${HOST_SILENT_SECONDS})) AS usable,
      coalesce(state_since > assigned_at
        OR assigned_at < now() - make_interval(secs => ${NOT_COME_SECONDS}) AND NOT wishes.up, false) AS "isOver",
      wishes.up AS "wishedUp",
      (extract(epoch FROM clock_timestamp() - state_since) * 1000)::float8 AS "ageMs"
    FROM ostler.vm JOIN ostler.flavour ON flavour.id = vm.flavour_id LEFT JOIN ostler.host ON host.id = vm.host_id
      CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM ostler.wish WHERE vm_id = vm.id AND closed_at IS NULL
        AND kind IN ('run', 'spare') AND (expires_at IS NULL OR expires_at > now())) AS up) AS wishes
    WHERE pool_id = ${poolId} ORDER BY vm.id`.execute(tx)
  return rows
}

/** A desktop that is being stopped or reset just now is another claim's, or this one's at the next look. */
async function give(
  tx: Db,
  step: { claim: number; userId: number; vmId: number; state: string },
): Promise<boolean> {
  const { rows } = await sql<{ id: number }>`
    WITH mine AS (
      SELECT id FROM ostler.vm WHERE id = ${step.vmId} AND assigned_user_id = ${step.userId}),
    fresh AS (
      UPDATE ostler.vm SET assigned_user_id = ${step.userId}, assigned_at = clock_timestamp(),
        dirty_user_id = ${step.userId}, dirty_since = clock_timestamp()
      WHERE id = ${step.vmId} AND assigned_user_id IS NULL AND dirty_user_id IS NULL AND state = ${step.state}
      RETURNING id)
    SELECT id FROM mine UNION ALL SELECT id FROM fresh`.execute(tx)
  if (rows.length === 0) return false
  await sql`
    UPDATE ostler.pool_claim SET closed_at = clock_timestamp(), vm_id = ${step.vmId}, outcome = 'given'
    WHERE number = ${step.claim}`.execute(tx)
  await hint(tx, step.vmId)
  return true
}

async function take(tx: Db, vmId: number): Promise<boolean> {
  const { numAffectedRows } = await sql`
    UPDATE ostler.vm SET assigned_user_id = NULL, assigned_at = NULL
    WHERE id = ${vmId} AND state IN ('stopped', 'failed')`.execute(tx)
  await hint(tx, vmId)
  return Number(numAffectedRows ?? 0) > 0
}

async function hint(tx: Db, id: number): Promise<void> {
  await sql`SELECT pg_notify('ostler_vm', ${String(id)})`.execute(tx)
}

// --- resets ---

/** Desktops that hold data of somebody who has them no more. */
export async function desktopsToReset(db: Db): Promise<number[]> {
  const rows = await db
    .selectFrom('vm')
    .select('id')
    .where('dirty_user_id', 'is not', null)
    .where('assigned_user_id', 'is', null)
    .execute()
  return rows.map(({ id }) => id)
}

/** What matters for a reset of a desktop; `undefined`: it is in no pool. */
export type ResetFacts = Pick<PooledDesktop, 'state' | 'assignedTo' | 'dirtyOf' | 'remains'>

export async function readResetFacts(db: Db, vmId: number): Promise<ResetFacts | undefined> {
  const { rows } = await sql<ResetFacts>`
    SELECT state, assigned_user_id AS "assignedTo", dirty_user_id AS "dirtyOf",
      coalesce((SELECT json_agg(host_id) FROM ostler.vm_remains WHERE vm_id = vm.id), '[]') AS remains
    FROM ostler.vm WHERE id = ${vmId} AND pool_id IS NOT NULL`.execute(db)
  return rows[0]
}

/**
 * Writes down that a node has looked and has nothing of a desktop any more. When that was the last one, the desktop holds
 * nobody's data from here on; the receipt says whose it was.
 * @returns whether it is clean now; false also when somebody has it again, or it does not rest.
 */
export async function confirmReset(db: Db, vmId: number, hostId: number): Promise<boolean> {
  return await transact(db, async (tx) => {
    const vm = await tx
      .selectFrom('vm')
      .select(['state', 'assigned_user_id', 'dirty_user_id', 'generation'])
      .where('id', '=', vmId)
      .forUpdate()
      .executeTakeFirst()
    const rests = vm?.state === 'stopped' || vm?.state === 'failed'
    if (vm === undefined || !rests || vm.assigned_user_id !== null || vm.dirty_user_id === null) return false
    await tx.deleteFrom('vm_remains').where('vm_id', '=', vmId).where('host_id', '=', hostId).execute()
    const left = await tx.selectFrom('vm_remains').select('host_id').where('vm_id', '=', vmId).execute()
    if (left.length === 0) {
      const generation = vm.generation + 1
      await tx
        .insertInto('vm_reset')
        .values({ vm_id: vmId, generation, of_user_id: vm.dirty_user_id, host_id: hostId })
        .execute()
      await tx
        .updateTable('vm')
        .set({ dirty_user_id: null, dirty_since: null, generation })
        .where('id', '=', vmId)
        .execute()
    }
    await hint(tx, vmId)
    return left.length === 0
  })
}
