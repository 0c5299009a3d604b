import { Fault } from '@ostler/contract/fault.ts'
import type { DisplayKind } from '@ostler/contract/identity.ts'
import { sql } from 'kysely'
import { addNamed } from './added.ts'
import { faultOfFlavour, refusalOfFlavour } from './flavour-limits.ts'
import { MACHINE_DISPLAYS } from '../model/display.ts'
import { homeLimit } from '../model/home.ts'
import { type FlavourHypervisor, MACHINE } from '../model/hypervisor-kind.ts'
import type { NetworkRates } from '../model/network-rates.ts'
import type { UserRole } from '../model/user.ts'
import type { VmState } from '../model/vm-machine.ts'
import { type AddressPool, takeAddress } from './addresses.ts'
import { imageStandings } from './image-copies.ts'
import { userState } from './seats.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'
import { requireUser } from './users.ts'

export async function addTenant(db: Db, name: string): Promise<number> {
  return await addNamed('tenant', name, () =>
    db.insertInto('tenant').values({ name }).returning('id').executeTakeFirstOrThrow(),
  )
}

/** @param user its password is a hash, or empty for none. */
export async function addUser(
  db: Db,
  user: { tenantId: number; login: string; password: string; role: UserRole },
): Promise<number> {
  const { tenantId: tenant_id, login, password, role } = user
  return await addNamed('user', login, () =>
    db
      .insertInto('users')
      .values({ tenant_id, login, password, role })
      .returning('id')
      .executeTakeFirstOrThrow(),
  )
}

export async function addFlavour(
  db: Db,
  flavour: {
    name: string
    memoryMb: number
    cpuPercent: number
    isApplication: boolean
    /** Those of what runs its desktops if not given. */
    displays?: readonly DisplayKind[] | undefined
    /** What runs desktops on their node if not given. */
    hypervisor?: FlavourHypervisor | undefined
    /** Megabytes of a new home; 0: no limit. What its hypervisor needs if not given. */
    homeMb?: number | undefined
    /** All tenants' if not given. */
    tenantId?: number | undefined
    maxDesktops?: number | undefined
    maxPerUser?: number | undefined
    rates?: NetworkRates
  },
): Promise<number> {
  const { hypervisor, displays = hypervisor === MACHINE ? MACHINE_DISPLAYS : undefined } = flavour
  const row = {
    name: flavour.name,
    memory_mb: flavour.memoryMb,
    cpu_percent: flavour.cpuPercent,
    is_application: flavour.isApplication,
    ...(displays === undefined ? {} : { displays }),
    ...(hypervisor === undefined ? {} : { hypervisor }),
    home_mb: homeLimit(hypervisor ?? null, flavour.homeMb),
    tenant_id: flavour.tenantId ?? null,
    max_desktops: flavour.maxDesktops ?? null,
    max_per_user: flavour.maxPerUser ?? null,
    net_in_kbit: flavour.rates?.inKbit ?? null,
    net_out_kbit: flavour.rates?.outKbit ?? null,
  }
  return await addNamed('osf', flavour.name, () =>
    db.insertInto('flavour').values(row).returning('id').executeTakeFirstOrThrow(),
  )
}

/**
 * Adds a desktop with the address that is asked for, else with the highest free one. Two that are added at once never
 * get the same one.
 * @throws Fault `address.taken`, `address.outside`, `node.network` when every address is taken, `quota.reached`, and
 * `object.*`, also for a flavour of another tenant.
 */
export async function addDesktop(
  db: Db,
  desktop: {
    name: string
    tenantId: number
    user: string
    osf: string
    tag?: string
    address?: string | undefined
  },
  pool: AddressPool,
): Promise<number> {
  const userId = await requireUser(db, desktop.tenantId, desktop.user)
  const flavour = await idOf(db, 'flavour', 'osf', desktop.osf)
  const tagged = desktop.tag === undefined ? {} : { di_tag: desktop.tag }
  return await addNamed('vm', desktop.name, () =>
    transact(db, async (tx) => {
      const address = await takeAddress(tx, pool, desktop.address)
      if (address === undefined) throw new Fault('node.network', { reason: 'every address is taken' })
      const refusal = await refusalOfFlavour(tx, flavour, { userId, tenantId: desktop.tenantId })
      if (refusal !== undefined) throw faultOfFlavour(refusal)
      return await tx
        .insertInto('vm')
        .values({ name: desktop.name, user_id: userId, flavour_id: flavour, address, ...tagged })
        .returning('id')
        .executeTakeFirstOrThrow()
    }),
  )
}

/** Rows for the lists of `qa`, by kind. */
export async function listObjects(
  db: Db,
  kind: 'tenant' | 'user' | 'host' | 'osf' | 'di' | 'vm',
): Promise<Record<string, unknown>[]> {
  switch (kind) {
    case 'tenant':
      return await db
        .selectFrom('tenant')
        .select(['id', 'name', 'blocked'])
        .where('id', '>', 0)
        .orderBy('id')
        .execute()
    case 'user':
      return await db
        .selectFrom('users')
        .innerJoin('tenant', 'tenant.id', 'tenant_id')
        .select(['users.id', 'users.login', 'tenant.name as tenant', 'users.role', 'users.blocked'])
        .orderBy('users.id')
        .execute()
    case 'host':
      return await db
        .selectFrom('host')
        .select(['id', 'name', 'state', 'blocked', 'memory_mb as memory', 'seen_at as seen'])
        .orderBy('id')
        .execute()
    case 'osf':
      return await db
        .selectFrom('flavour')
        .leftJoin('tenant', 'tenant.id', 'flavour.tenant_id')
        .select(['flavour.id', 'flavour.name', 'memory_mb as memory', 'cpu_percent', 'is_application'])
        .select([
          'displays',
          'hypervisor',
          'home_mb',
          'tenant.name as tenant',
          'max_desktops',
          'max_per_user',
          'net_in_kbit as net_in',
          'net_out_kbit as net_out',
        ])
        .orderBy('flavour.id')
        .execute()
    case 'di':
      return await db
        .selectFrom('disk_image')
        .innerJoin('flavour', 'flavour.id', 'flavour_id')
        .select([
          'disk_image.id',
          'disk_image.name',
          'flavour.name as osf',
          'version',
          'kind',
          'path',
          sql<string>`(SELECT string_agg(tag, ' ' ORDER BY fixed, tag) FROM ostler.image_tag
            WHERE disk_image_id = disk_image.id)`.as('tags'),
          'disk_image.blocked',
          imageStandings.as('state'),
        ])
        .orderBy('disk_image.id')
        .execute()
    case 'vm':
      return await db
        .selectFrom('vm')
        .innerJoin('users', 'users.id', 'user_id')
        .innerJoin('tenant', 'tenant.id', 'users.tenant_id')
        .innerJoin('flavour', 'flavour.id', 'flavour_id')
        .leftJoin('host', 'host.id', 'host_id')
        .leftJoin('seat', 'seat.vm_id', 'vm.id')
        .leftJoin('disk_image as running', 'running.id', 'vm.disk_image_id')
        .select([
          'vm.id',
          'vm.name',
          'users.login as user',
          'tenant.name as tenant',
          'flavour.name as osf',
          'vm.state',
          'host.name as host',
          'address',
          'vm.blocked',
          userState.as('user_state'),
          'vm.di_tag',
          'running.name as di',
          'vm.expire_soft',
          'vm.expire_hard',
          'vm.agent_verdict as agent',
          'vm.failures',
          'vm.fault',
        ])
        .orderBy('vm.id')
        .execute()
  }
}

/** The number of a flavour, by name. Throws `object.unknown`. */
export async function flavourByName(db: Db, name: string): Promise<number> {
  return await idOf(db, 'flavour', 'osf', name)
}

/** The number of a disk image, by name. Throws `object.unknown`. */
export async function imageByName(db: Db, name: string): Promise<number> {
  return await idOf(db, 'disk_image', 'di', name)
}

/** The number of a desktop, by name. Throws `object.unknown`. */
export async function desktopByName(db: Db, name: string): Promise<number> {
  return await idOf(db, 'vm', 'vm', name)
}

/** A desktop by its name or, where none is called so, its number. Throws `object.unknown`. */
export async function desktopByWord(
  db: Db,
  word: string,
): Promise<{ id: number; name: string; state: VmState; epoch: number }> {
  const all = db.selectFrom('vm').select(['id', 'name', 'state', 'epoch'])
  const named = await all.where('name', '=', word).executeTakeFirst()
  if (named !== undefined) return named
  const isNumber = /^\d{1,9}$/.test(word)
  const numbered = isNumber ? await all.where('id', '=', Number(word)).executeTakeFirst() : undefined
  if (numbered === undefined) throw new Fault('object.unknown', { kind: 'vm', name: word })
  return numbered
}

async function idOf(
  db: Db,
  table: 'flavour' | 'disk_image' | 'vm',
  kind: string,
  name: string,
): Promise<number> {
  const row = await db.selectFrom(table).select('id').where('name', '=', name).executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind, name })
  return row.id
}
