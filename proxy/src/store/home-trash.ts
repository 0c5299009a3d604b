import { Fault } from '@ostler/contract/fault.ts'
import type { HomeKept, HomeListed } from '@ostler/contract/homes.ts'
import { type RawBuilder, sql } from 'kysely'
import { type HomeKind, homeLimit, POOLED, TRASH, usualHomePath } from '../model/home.ts'
import { AT_REST } from '../model/start-queue.ts'
import { freePath } from './homes.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** Of a user and a flavour. */
export interface HomeOf {
  readonly userId: number
  readonly flavourId: number
}

/** The homes of users of a tenant, or every one; those in the trash last. */
export async function listHomes(db: Db, tenantId?: number): Promise<HomeListed[]> {
  const { rows } = await sql<HomeListed>`
    SELECT home.id, home.login AS user, home.tenant, home.flavour AS osf, home.kind, home.path, host.name AS host,
      home.limit_mb, home.state, vm.name AS vm, home.purge_at AS purge,
      CASE WHEN home.made_at IS NULL THEN 'not made yet' WHEN home.purging THEN 'being removed'
        WHEN home.moving_to IS NOT NULL THEN 'on its way to ' || home.moving_to END AS now, home.trouble
    FROM ostler.home LEFT JOIN ostler.host ON host.id = home.host_id LEFT JOIN ostler.vm ON vm.id = home.writer_vm
    WHERE ${tenantId ?? null}::int IS NULL OR EXISTS (
      SELECT FROM ostler.users WHERE users.id = home.user_id AND users.tenant_id = ${tenantId ?? null}::int)
    ORDER BY home.trashed_at IS NOT NULL, home.id`.execute(db)
  return rows
}

/**
 * Removes a desktop that is at rest. Its home goes to the trash, unless another desktop of its user and flavour has it, too.
 * @param days how long it stays there.
 * @throws Fault `object.inUse`, `object.unknown`.
 */
export async function deleteDesktop(db: Db, vmId: number, days: number): Promise<HomeKept[]> {
  return await change(db, async (tx) => {
    const vm = await tx
      .selectFrom('vm')
      .select(['name', 'state', 'user_id', 'flavour_id', 'pool_id'])
      .where('id', '=', vmId)
      .forUpdate()
      .executeTakeFirst()
    if (vm === undefined) throw new Fault('object.unknown', { kind: 'vm', name: String(vmId) })
    if (vm.pool_id !== null)
      throw new Fault('object.inUse', {
        kind: 'vm',
        name: vm.name,
        reason: 'it is of a pool: qa pool edit, del',
      })
    if (!AT_REST.includes(vm.state))
      throw new Fault('object.inUse', { kind: 'vm', name: vm.name, reason: `it is ${vm.state}` })
    await removeDesktops(tx, [vmId])
    return await trash(
      tx,
      sql<boolean>`user_id = ${vm.user_id} AND flavour_id = ${vm.flavour_id} AND NOT EXISTS (
        SELECT FROM ostler.vm WHERE vm.user_id = home.user_id AND vm.flavour_id = home.flavour_id)`,
      days,
    )
  })
}

/**
 * Removes a user with her desktops, which must be at rest, and none a pool's. Her homes go to the trash.
 * @throws Fault `object.inUse`.
 */
export async function deleteUser(
  db: Db,
  userId: number,
  days: number,
): Promise<{ desktops: number; homes: HomeKept[] }> {
  return await change(db, async (tx) => {
    const { login } = await tx
      .selectFrom('users')
      .select('login')
      .where('id', '=', userId)
      .forUpdate()
      .executeTakeFirstOrThrow()
    const pooled = await pooledOf(tx, userId)
    if (pooled !== undefined) throw new Fault('object.inUse', { kind: 'user', name: login, reason: pooled })
    const hers = await tx
      .selectFrom('vm')
      .select(['id', 'name', 'state'])
      .where('user_id', '=', userId)
      .forUpdate()
      .execute()
    const busy = hers.find(({ state }) => !AT_REST.includes(state))
    if (busy !== undefined) {
      const reason = `her desktop ${busy.name} is ${busy.state}`
      throw new Fault('object.inUse', { kind: 'user', name: login, reason })
    }
    await removeDesktops(
      tx,
      hers.map(({ id }) => id),
    )
    const homes = await trash(tx, sql<boolean>`user_id = ${userId}`, days)
    await tx.deleteFrom('users').where('id', '=', userId).execute()
    return { desktops: hers.length, homes }
  })
}

/**
 * Removes a flavour that has neither desktops nor disk images. Homes that were adopted for it go to the trash.
 * @throws Fault `object.inUse`.
 */
export async function deleteFlavour(db: Db, flavourId: number, days: number): Promise<HomeKept[]> {
  return await change(db, async (tx) => {
    const named = tx.selectFrom('flavour').select('name').where('id', '=', flavourId)
    const { name } = await named.forUpdate().executeTakeFirstOrThrow()
    for (const [table, word] of [
      ['vm', 'desktop'],
      ['disk_image', 'disk image'],
      ['pool', 'pool'],
    ] as const) {
      const first = await tx
        .selectFrom(table)
        .select('name')
        .where('flavour_id', '=', flavourId)
        .orderBy('id')
        .executeTakeFirst()
      if (first !== undefined)
        throw new Fault('object.inUse', { kind: 'osf', name, reason: `${word} ${first.name} is of it` })
    }
    const homes = await trash(tx, sql<boolean>`flavour_id = ${flavourId}`, days)
    await tx.deleteFrom('flavour').where('id', '=', flavourId).execute()
    return homes
  })
}

/** What of a pool is a user's, in words; `undefined`: nothing. */
async function pooledOf(tx: Db, userId: number): Promise<string | undefined> {
  const owned = tx.selectFrom('pool').select('name').where('owner_id', '=', userId)
  const pool = await owned.executeTakeFirst()
  if (pool !== undefined) return `pool ${pool.name} stands on it: qa pool del`
  const held = await tx
    .selectFrom('vm')
    .select('name')
    .where('dirty_user_id', '=', userId)
    .forUpdate()
    .executeTakeFirst()
  return held && `desktop ${held.name} of a pool is hers, or was not reset yet`
}

/** Puts a home into the trash. @throws Fault `home.refused`, `object.unknown`. */
export async function trashHome(db: Db, id: number, days: number): Promise<HomeKept[]> {
  return await change(db, async (tx) => {
    const { trashed_at } = await heldHome(tx, id)
    if (trashed_at !== null) throw refused(id, 'it is in the trash already')
    return await trash(tx, sql<boolean>`id = ${id}`, days)
  })
}

/**
 * Brings a home back from the trash, as the home of whoever had it, or of whom an administrator names. What that user has for the
 * flavour now goes to the trash instead.
 *
 * @returns where it will lie, and what has made room for it.
 * @throws Fault `home.refused`, `object.unknown`.
 */
export async function restoreHome(
  db: Db,
  id: number,
  target: Partial<HomeOf>,
  days: number,
): Promise<{ path: string; login: string; displaced: HomeKept[] }> {
  return await change(db, async (tx) => {
    const home = await heldHome(tx, id)
    if (home.trashed_at === null) throw refused(id, 'it is not in the trash')
    if (home.purging) throw refused(id, 'it is being removed for good')
    if (home.moving_to !== null) throw refused(id, 'it is still on its way into the trash: try again')
    const userId = target.userId ?? home.user_id
    const flavourId = target.flavourId ?? home.flavour_id
    if (userId === null) throw refused(id, 'its user is gone; say whose it is to be: user=LOGIN')
    if (flavourId === null) throw refused(id, 'its flavour is gone; say of which it is to be: osf=NAME')
    const displaced = await trash(tx, sql<boolean>`user_id = ${userId} AND flavour_id = ${flavourId}`, days)
    const owner = await namesOf(tx, { userId, flavourId })
    const path = usualHomePath({ ...owner, flavourId }, home.kind)
    const row = await tx
      .updateTable('home')
      .set({ user_id: userId, flavour_id: flavourId, login: owner.login, tenant: owner.tenant })
      .set({
        flavour: owner.flavour,
        trashed_at: null,
        purge_at: null,
        moving_to: freePath(path, sql`home.id`),
      })
      .where('id', '=', id)
      .returning('moving_to')
      .executeTakeFirstOrThrow()
    return { path: row.moving_to ?? '', login: owner.login, displaced }
  })
}

/** Ends the time of a home in the trash now. @throws Fault `home.refused`, `object.unknown`. */
export async function purgeHome(db: Db, id: number): Promise<void> {
  await change(db, async (tx) => {
    if ((await heldHome(tx, id)).trashed_at === null)
      throw refused(id, 'it is not in the trash; put it there first: qa home del')
    await tx
      .updateTable('home')
      .set({ purge_at: sql<Date>`now()` })
      .where('id', '=', id)
      .execute()
  })
}

/**
 * Says that what lies at a path is the home of a user and flavour. Nobody looks here: the next start does.
 * @param path below `path.storage.homefs`; without one, the usual path.
 * @throws Fault `home.refused` when she has one, or the path is another home's.
 */
export async function adoptHome(
  db: Db,
  of: HomeOf,
  found: { readonly kind: HomeKind; readonly path: string | undefined },
): Promise<{ id: number; path: string }> {
  return await change(db, async (tx) => {
    const owner = await namesOf(tx, of)
    const path = found.path ?? usualHomePath({ ...owner, flavourId: of.flavourId }, found.kind)
    if (path.startsWith(`${POOLED}/`))
      throw new Fault('request.invalid', {
        problem: 'path: there are homes of pools, which end with a reset',
      })
    const present = await tx
      .selectFrom('home')
      .select(['id', 'path', 'made_at', 'state'])
      .where('user_id', '=', of.userId)
      .where('flavour_id', '=', of.flavourId)
      .where('trashed_at', 'is', null)
      .forUpdate()
      .executeTakeFirst()
    if (present !== undefined && (present.made_at !== null || present.state === 'in use'))
      throw refused(present.id, `${owner.login} has it for ${owner.flavour} already, at ${present.path}`)
    const { rows } = await sql<{ id: number }>`
      SELECT id FROM ostler.home, unnest(ARRAY[path, moving_to]) AS place
      WHERE id <> ${present?.id ?? 0} AND (place = ${path} OR starts_with(${path}, place || '/')
        OR starts_with(place, ${path} || '/')) LIMIT 1`.execute(tx)
    if (rows[0] !== undefined)
      throw refused(rows[0].id, `it lies at ${path}, in it or around it, or is on its way there`)
    const what = { kind: found.kind, path, made_at: sql<Date>`now()` }
    if (present !== undefined) {
      await tx.updateTable('home').set(what).where('id', '=', present.id).execute()
      return { id: present.id, path }
    }
    const { login, tenant, flavour, limitMb } = owner
    const row = { user_id: of.userId, flavour_id: of.flavourId, login, tenant, flavour, limit_mb: limitMb }
    const { id } = await tx
      .insertInto('home')
      .values({ ...row, ...what })
      .returning('id')
      .executeTakeFirstOrThrow()
    return { id, path }
  })
}

/**
 * Changes what new homes of a flavour may hold; those that have a size grow with it, at once where hkd has them mounted, and never
 * shrink.
 * @throws Fault `request.invalid` for a machine's disk without a size.
 */
export async function setHomeLimit(db: Db, flavourId: number, limitMb: number): Promise<void> {
  const { hypervisor } = await db
    .selectFrom('flavour')
    .select('hypervisor')
    .where('id', '=', flavourId)
    .executeTakeFirstOrThrow()
  await db
    .updateTable('flavour')
    .set({ home_mb: homeLimit(hypervisor, limitMb) })
    .where('id', '=', flavourId)
    .execute()
  await sql`SELECT pg_notify('ostler_home', '')`.execute(db)
}

/** No start is placed meanwhile, and hkd hears that there may be something to move. */
async function change<T>(db: Db, work: (tx: Db) => Promise<T>): Promise<T> {
  return await transact(db, async (tx) => {
    await sql`SELECT pg_advisory_xact_lock(hashtext('ostler.place'))`.execute(tx)
    const result = await work(tx)
    await sql`SELECT pg_notify('ostler_home', '')`.execute(tx)
    return result
  })
}

async function heldHome(tx: Db, id: number) {
  const row = await tx.selectFrom('home').selectAll().where('id', '=', id).forUpdate().executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind: 'home', name: String(id) })
  return row
}

async function namesOf(tx: Db, { userId, flavourId }: HomeOf) {
  return await tx
    .selectFrom('users')
    .innerJoin('tenant', 'tenant.id', 'users.tenant_id')
    .innerJoin('flavour', (join) => join.on('flavour.id', '=', flavourId))
    .select(['users.login', 'users.tenant_id as tenantId', 'tenant.name as tenant'])
    .select(['flavour.name as flavour', 'flavour.home_mb as limitMb'])
    .where('users.id', '=', userId)
    .executeTakeFirstOrThrow()
}

async function removeDesktops(tx: Db, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return
  await tx.deleteFrom('vm').where('id', 'in', ids).execute()
  for (const id of ids) await sql`SELECT pg_notify('ostler_vm', ${String(id)})`.execute(tx)
}

/** @returns those that have files, and so are kept. @throws Fault `home.refused` when one cannot go now. */
async function trash(tx: Db, which: RawBuilder<boolean>, days: number): Promise<HomeKept[]> {
  const { rows: busy } = await sql<{ id: number; name: string | null }>`
    SELECT home.id, (SELECT name FROM ostler.vm WHERE vm.id = home.writer_vm) AS name FROM ostler.home
    WHERE ${which} AND trashed_at IS NULL AND (writer_vm IS NOT NULL OR moving_to IS NOT NULL) LIMIT 1`.execute(
    tx,
  )
  if (busy[0] !== undefined)
    throw refused(
      busy[0].id,
      busy[0].name === null ? 'it is being moved: try again' : `desktop ${busy[0].name} writes to it`,
    )
  return await putInTrash(tx, which, days)
}

/** Puts homes of nobody into the trash: their user or flavour was removed by other ways. */
export async function trashOwnerless(db: Db, days: number): Promise<HomeKept[]> {
  const which = sql<boolean>`(user_id IS NULL OR flavour_id IS NULL) AND writer_vm IS NULL AND moving_to IS NULL`
  return await putInTrash(db, which, days)
}

async function putInTrash(tx: Db, which: RawBuilder<boolean>, days: number): Promise<HomeKept[]> {
  const { rows } = await sql<HomeKept & { made: boolean }>`
    UPDATE ostler.home SET trashed_at = now(), purge_at = now() + make_interval(days => ${days}),
      moving_to = ${TRASH} || '/' || id || '-' || regexp_replace(path, '^.*/', '')
    WHERE ${which} AND trashed_at IS NULL
    RETURNING id, path AS was, moving_to AS path, purge_at AS until, made_at IS NOT NULL AS made`.execute(tx)
  return rows.filter(({ made }) => made).map(({ id, was, path, until }) => ({ id, was, path, until }))
}

function refused(id: number, reason: string): Fault {
  return new Fault('home.refused', { home: id, reason })
}
