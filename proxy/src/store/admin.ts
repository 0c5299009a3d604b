import { Fault } from '@ostler/contract/fault.ts'
import type { Explanation } from '@ostler/contract/admin-api.ts'
import { sql } from 'kysely'
import { freeAddress, type Subnet } from '../model/address.ts'
import { readSeat, userState } from './seats.ts'
import { readHookResults } from './session-hooks.ts'
import type { Db } from './open.ts'
import { readTimeline } from './vms.ts'

const UNIQUE_VIOLATION = '23505'

export async function addUser(db: Db, user: { login: string; password: string }): Promise<number> {
  return await added('user', user.login, () =>
    db.insertInto('users').values(user).returning('id').executeTakeFirstOrThrow(),
  )
}

export async function addFlavour(
  db: Db,
  flavour: { name: string; memoryMb: number; cpuPercent: number },
): Promise<number> {
  const row = { name: flavour.name, memory_mb: flavour.memoryMb, cpu_percent: flavour.cpuPercent }
  return await added('osf', flavour.name, () =>
    db.insertInto('flavour').values(row).returning('id').executeTakeFirstOrThrow(),
  )
}

export async function addImage(
  db: Db,
  image: { name: string; osf: string; kind: 'instant' | 'directory' | 'tarball'; path: string },
): Promise<number> {
  const flavour = await idOf(db, 'flavour', 'osf', image.osf)
  const row = { name: image.name, flavour_id: flavour, kind: image.kind, path: image.path }
  return await added('di', image.name, () =>
    db.insertInto('disk_image').values(row).returning('id').executeTakeFirstOrThrow(),
  )
}

/** Adds a desktop with the first free address. Two that are added at once never get the same one. */
export async function addDesktop(
  db: Db,
  desktop: { name: string; user: string; osf: string },
  network: { start: string; subnet: Subnet },
): Promise<number> {
  const user = await db.selectFrom('users').select('id').where('login', '=', desktop.user).executeTakeFirst()
  if (user === undefined) throw new Fault('object.unknown', { kind: 'user', name: desktop.user })
  const flavour = await idOf(db, 'flavour', 'osf', desktop.osf)
  return await added('vm', desktop.name, () =>
    db.transaction().execute(async (tx) => {
      await sql`SELECT pg_advisory_xact_lock(hashtext('ostler.address'))`.execute(tx)
      const rows = await tx.selectFrom('vm').select('address').execute()
      const address = freeAddress(network.start, network.subnet, new Set(rows.map((row) => row.address)))
      if (address === undefined) throw new Fault('node.network', { reason: 'every address is taken' })
      return await tx
        .insertInto('vm')
        .values({ name: desktop.name, user_id: user.id, flavour_id: flavour, address })
        .returning('id')
        .executeTakeFirstOrThrow()
    }),
  )
}

/** Rows for the lists of `qa`, by kind. */
export async function listObjects(
  db: Db,
  kind: 'user' | 'osf' | 'di' | 'vm',
): Promise<Record<string, unknown>[]> {
  switch (kind) {
    case 'user':
      return await db.selectFrom('users').select(['id', 'login', 'blocked']).orderBy('id').execute()
    case 'osf':
      return await db
        .selectFrom('flavour')
        .select(['id', 'name', 'memory_mb as memory', 'cpu_percent'])
        .orderBy('id')
        .execute()
    case 'di':
      return await db
        .selectFrom('disk_image')
        .innerJoin('flavour', 'flavour.id', 'flavour_id')
        .select(['disk_image.id', 'disk_image.name', 'flavour.name as osf', 'kind', 'path'])
        .orderBy('disk_image.id')
        .execute()
    case 'vm':
      return await db
        .selectFrom('vm')
        .innerJoin('users', 'users.id', 'user_id')
        .innerJoin('flavour', 'flavour.id', 'flavour_id')
        .leftJoin('host', 'host.id', 'host_id')
        .leftJoin('seat', 'seat.vm_id', 'vm.id')
        .select([
          'vm.id',
          'vm.name',
          'users.login as user',
          'flavour.name as osf',
          'vm.state',
          'host.name as host',
          'address',
          userState.as('user_state'),
          'vm.fault',
        ])
        .orderBy('vm.id')
        .execute()
  }
}

/** The number of a desktop, by name. Throws `object.unknown`. */
export async function desktopByName(db: Db, name: string): Promise<number> {
  return await idOf(db, 'vm', 'vm', name)
}

/** Why a desktop is as it is. */
export async function explainDesktop(db: Db, id: number): Promise<Explanation> {
  const vm = await db
    .selectFrom('vm')
    .select(['name', 'state', 'fault'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const wishes = await db
    .selectFrom('wish')
    .select(['kind', 'by', 'reason', 'at', 'outcome'])
    .where('vm_id', '=', id)
    .orderBy('number', 'desc')
    .limit(10)
    .execute()
  const log = await db
    .selectFrom('vm_log')
    .select(['at', 'event', 'prior', 'state', 'fault'])
    .where('vm_id', '=', id)
    .orderBy('id', 'desc')
    .limit(20)
    .execute()
  const timeline = await readTimeline(db, id)
  const hooks = await readHookResults(db, id, 20)
  const seat = await readSeat(db, id)
  return {
    ...vm,
    seat: seat === undefined ? null : { ...seat, since: seat.since.toISOString() },
    wishes: wishes.map((wish) => ({ ...wish, at: wish.at.toISOString() })),
    timeline: timeline.map(({ step, at }) => ({ step, at: at.toISOString() })),
    hooks: hooks.map((hook) => ({ ...hook, at: hook.at.toISOString() })),
    log: log.map((entry) => ({ ...entry, at: entry.at.toISOString() })),
  }
}

async function idOf(db: Db, table: 'flavour' | 'vm', kind: string, name: string): Promise<number> {
  const row = await db.selectFrom(table).select('id').where('name', '=', name).executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind, name })
  return row.id
}

async function added(kind: string, name: string, insert: () => Promise<{ id: number }>): Promise<number> {
  try {
    return (await insert()).id
  } catch (error) {
    if ((error as { code?: unknown }).code === UNIQUE_VIOLATION)
      throw new Fault('object.exists', { kind, name }, { cause: error })
    throw error
  }
}
