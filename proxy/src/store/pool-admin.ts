import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import type { PoolAssignment } from '../model/pool.ts'
import { addNamed } from './added.ts'
import { type AddressPool, takeAddress } from './addresses.ts'
import { faultOfFlavour, refusalOfFlavour } from './flavour-limits.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** What an administrator says of a pool. */
export interface PoolSettings {
  readonly tag: string
  readonly assign: PoolAssignment
  readonly size: number
  readonly spare: number
  /** Without: its size. */
  readonly most: number | undefined
  /** `null`: a desktop that was left goes on. */
  readonly stopMinutes: number | null
  readonly everyone: boolean
  readonly logins: readonly string[]
  readonly groups: readonly string[]
}

/**
 * Adds a pool with its desktops. In whose place a desktop of it stands that nobody has is a user who cannot sign in.
 * @returns its number.
 * @throws Fault `object.exists`, `object.unknown`, also for a flavour of another tenant, `pool.setting`, `quota.reached`,
 * `node.network` when there are too few addresses.
 */
export async function addPool(
  db: Db,
  pool: PoolSettings & { readonly name: string; readonly tenantId: number; readonly flavourId: number },
  addresses: AddressPool,
): Promise<number> {
  return await addNamed('pool', pool.name, () =>
    transact(db, async (tx) => {
      await requireUsableFlavour(tx, pool.flavourId)
      const owner = await tx
        .insertInto('users')
        .values({ tenant_id: pool.tenantId, login: ownerLogin(pool.name), password: '', blocked: true })
        .returning('id')
        .executeTakeFirstOrThrow()
      const { name, flavourId: flavour_id, tenantId: tenant_id } = pool
      const row = await tx
        .insertInto('pool')
        .values({ name, flavour_id, tenant_id, owner_id: owner.id, ...columnsOf(pool) })
        .returning('id')
        .executeTakeFirstOrThrow()
      await populate(tx, row.id, addresses)
      return row
    }),
  )
}

/**
 * Changes a pool. It gets more desktops at once; it gets fewer as far as some are at rest, nobody's, and hold nobody's data.
 * @returns how many desktops it has now.
 * @throws Fault `object.unknown`, `quota.reached`, `node.network`.
 */
export async function editPool(
  db: Db,
  name: string,
  said: Partial<PoolSettings>,
  addresses: AddressPool,
): Promise<number> {
  return await transact(db, async (tx) => {
    const pool = await poolByName(tx, name)
    const columns = columnsOf(said)
    if (Object.keys(columns).length > 0)
      await tx.updateTable('pool').set(columns).where('id', '=', pool.id).execute()
    return await populate(tx, pool.id, addresses)
  })
}

/** Removes a pool with its desktops. @throws Fault `object.unknown`, `pool.setting` while one is somebody's or runs. */
export async function deletePool(db: Db, name: string): Promise<void> {
  await transact(db, async (tx) => {
    const pool = await poolByName(tx, name)
    await tx.updateTable('pool').set({ size: 0, spare: 0 }).where('id', '=', pool.id).execute()
    const left = await shrink(tx, pool.id, 0)
    if (left > 0)
      throw new Fault('pool.setting', {
        problem: `${left} desktops run, or are somebody's, or were not reset yet`,
      })
    await tx.deleteFrom('pool').where('id', '=', pool.id).execute()
    await tx.deleteFrom('users').where('id', '=', pool.owner_id).execute()
  })
}

/** Takes a desktop of a pool from whoever has it. @throws Fault `pool.setting` unless it is at rest and somebody's. */
export async function takeFromUser(db: Db, vmId: number): Promise<void> {
  const { rows } = await sql`
    WITH taken AS (
      UPDATE ostler.vm SET assigned_user_id = NULL, assigned_at = NULL
      WHERE id = ${vmId} AND assigned_user_id IS NOT NULL AND state IN ('stopped', 'failed') RETURNING id)
    SELECT pg_notify('ostler_vm', id::text) FROM taken`.execute(db)
  if (rows.length === 0)
    throw new Fault('pool.setting', {
      problem: 'only a desktop at rest that a user has can be taken from her',
    })
}

/** The pools of a tenant, or all, with what has become of their desktops. */
export async function listPoolsForAdmin(
  db: Db,
  tenantId: number | undefined,
): Promise<Record<string, unknown>[]> {
  const { rows } = await sql<Record<string, unknown>>`
    SELECT pool.id, pool.name, tenant.name AS tenant, flavour.name AS osf, di_tag, assign, size, spare, most AS max,
      stop_minutes AS "stop-after",
      CASE WHEN everyone THEN 'everyone' ELSE array_to_string(logins || groups, ' ') END AS "for",
      of.running, of.assigned, of.dirty,
      (SELECT count(*)::int FROM ostler.pool_claim WHERE pool_id = pool.id AND closed_at IS NULL AND expires_at > now())
        AS waiting,
      pool.maintenance
    FROM ostler.pool JOIN ostler.tenant ON tenant.id = tenant_id JOIN ostler.flavour ON flavour.id = flavour_id
      CROSS JOIN LATERAL (SELECT (count(*) FILTER (WHERE state = 'running'))::int AS running,
        count(assigned_user_id)::int AS assigned,
        (count(dirty_user_id) FILTER (WHERE assigned_user_id IS NULL))::int AS dirty
        FROM ostler.vm WHERE pool_id = pool.id) AS of
    WHERE ${tenantId ?? null}::int IS NULL OR pool.tenant_id = ${tenantId ?? null}::int
    ORDER BY pool.id`.execute(db)
  return rows
}

async function requireUsableFlavour(tx: Db, flavourId: number): Promise<void> {
  const { overlay, hypervisor } = await tx
    .selectFrom('flavour')
    .select(['overlay', 'hypervisor'])
    .where('id', '=', flavourId)
    .executeTakeFirstOrThrow()
  if (overlay === 'user')
    throw new Fault('pool.setting', {
      problem: 'an overlay that goes with its user cannot be in a desktop before she is',
    })
  if (hypervisor === 'process')
    throw new Fault('pool.setting', {
      problem: 'a desktop of the driver "process" has its user from its first moment',
    })
}

/** Makes as many desktops as the pool should have, or removes what can be removed. @returns how many it has then. */
async function populate(tx: Db, poolId: number, addresses: AddressPool): Promise<number> {
  const pool = await tx.selectFrom('pool').selectAll().where('id', '=', poolId).executeTakeFirstOrThrow()
  const taken = new Set(
    (await tx.selectFrom('vm').select('name').where('pool_id', '=', poolId).execute()).map(
      ({ name }) => name,
    ),
  )
  let count = taken.size
  for (let number = 1; count < pool.size; number++) {
    const name = `${pool.name}-${number}`
    if (taken.has(name)) continue
    const address = await takeAddress(tx, addresses)
    if (address === undefined) throw new Fault('node.network', { reason: 'every address is taken' })
    const { owner_id: user_id, flavour_id, di_tag, tenant_id: tenantId } = pool
    const refusal = await refusalOfFlavour(tx, flavour_id, { userId: undefined, tenantId })
    if (refusal !== undefined) throw faultOfFlavour(refusal)
    await tx
      .insertInto('vm')
      .values({ name, user_id, flavour_id, di_tag, address, pool_id: poolId })
      .execute()
    count += 1
  }
  if (count > pool.size) count = await shrink(tx, poolId, pool.size)
  await sql`SELECT pg_notify('ostler_vm', ${String(poolId)})`.execute(tx)
  return count
}

/** Removes desktops that have nothing and are nobody's. @returns how many there are then. */
async function shrink(tx: Db, poolId: number, size: number): Promise<number> {
  await sql`
    DELETE FROM ostler.vm WHERE id IN (
      SELECT id FROM ostler.vm
      WHERE pool_id = ${poolId} AND assigned_user_id IS NULL AND dirty_user_id IS NULL AND state IN ('stopped', 'failed')
        AND NOT EXISTS (SELECT FROM ostler.vm_remains WHERE vm_id = vm.id)
      ORDER BY id DESC
      LIMIT greatest(0, (SELECT count(*) FROM ostler.vm WHERE pool_id = ${poolId}) - ${size}))`.execute(tx)
  const { count } = await tx
    .selectFrom('vm')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('pool_id', '=', poolId)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** The number of a pool and of who stands for its users; nobody else changes it until the transaction ends. */
export async function poolByName(tx: Db, name: string): Promise<{ id: number; owner_id: number }> {
  const row = await tx
    .selectFrom('pool')
    .select(['id', 'owner_id'])
    .where('name', '=', name)
    .forUpdate()
    .executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind: 'pool', name })
  return row
}

/** No login that anybody could type. */
function ownerLogin(name: string): string {
  return `pool:${name}`
}

/** What was said, as columns. */
function columnsOf(said: PoolSettings): Columns
function columnsOf(said: Partial<PoolSettings>): Partial<Columns>
function columnsOf(said: Partial<PoolSettings>): Partial<Columns> {
  const { tag: di_tag, stopMinutes: stop_minutes, assign, size, spare, most, everyone, logins, groups } = said
  const columns = { di_tag, assign, size, spare, most: most ?? size, stop_minutes, everyone, logins, groups }
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== undefined))
}

interface Columns {
  di_tag: string
  assign: PoolAssignment
  size: number
  spare: number
  most: number
  stop_minutes: number | null
  everyone: boolean
  logins: readonly string[]
  groups: readonly string[]
}
