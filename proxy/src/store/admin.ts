import { Fault } from '@ostler/contract/fault.ts'
import type { DisplayKind } from '@ostler/contract/identity.ts'
import { sql } from 'kysely'
import type { PropertyOwner } from '@ostler/contract/admin-api.ts'
import { addNamed } from './added.ts'
import { faultOfFlavour, refusalOfFlavour } from './flavour-limits.ts'
import { MACHINE_DISPLAYS } from '../model/display.ts'
import { homeLimit } from '../model/home.ts'
import { type FlavourHypervisor, MACHINE } from '../model/hypervisor-kind.ts'
import type { DiskRates } from '../model/disk-rates.ts'
import type { NetworkRates } from '../model/network-rates.ts'
import type { OverlayKind } from '../model/overlay.ts'
import type { UserRole } from '../model/user.ts'
import type { VmState } from '../model/vm-machine.ts'
import { type AddressPool, takeAddress } from './addresses.ts'
import { userOfDesktop } from './desktop-user.ts'
import { imageStandings } from './image-copies.ts'
import { propertyTable } from './properties.ts'
import { userStateOf } from './seats.ts'
import type { ListQuery } from './listing.ts'
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
    overlay?: OverlayKind
    /** All tenants' if not given. */
    tenantId?: number | undefined
    maxDesktops?: number | undefined
    maxPerUser?: number | undefined
    rates?: NetworkRates
    diskRates?: DiskRates
    /** So many per cent of its starts take at most so many seconds; nothing is promised if not given. */
    sloSeconds?: number | undefined
    sloPercent?: number | undefined
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
    ...(flavour.overlay === undefined ? {} : { overlay: flavour.overlay }),
    home_mb: homeLimit(hypervisor ?? null, flavour.homeMb),
    tenant_id: flavour.tenantId ?? null,
    max_desktops: flavour.maxDesktops ?? null,
    max_per_user: flavour.maxPerUser ?? null,
    net_in_kbit: flavour.rates?.inKbit ?? null,
    net_out_kbit: flavour.rates?.outKbit ?? null,
    disk_iops: flavour.diskRates?.iops ?? null,
    disk_kbytes: flavour.diskRates?.kbytes ?? null,
    slo_seconds: flavour.sloSeconds ?? null,
    ...(flavour.sloPercent === undefined ? {} : { slo_percent: flavour.sloPercent }),
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

/** Columns by which a list can be narrowed and which it does not show: QVD's numbers, and `property.KEY`. */
export const NARROWING = {
  tenant: [],
  user: ['user_id', 'name', 'properties'],
  host: ['host_id', 'properties'],
  osf: ['osf_id', 'properties'],
  di: ['di_id', 'osf_id', 'properties'],
  vm: ['vm_id', 'user_id', 'osf_id', 'ip', 'host_id', 'di_id', 'properties'],
} as const

/** All properties of a row, as one value; it is made only where something asks for it. */
function propertiesOf(kind: PropertyOwner, table: string) {
  const { table: properties, owner } = propertyTable(kind)
  return sql<Record<string, string>>`
    (SELECT jsonb_object_agg(key, value) FROM ${properties} AS of WHERE ${sql.ref(`of.${owner}`)} = ${sql.ref(`${table}.id`)})`
}

/**
 * Rows for the lists of `qa`, by kind, with the columns of `NARROWING`.
 * @param tenantId those of one tenant alone.
 * @param shared with flavours and images also those that are of all tenants, or only her own.
 */
export function listObjects(
  db: Db,
  kind: 'tenant' | 'user' | 'host' | 'osf' | 'di' | 'vm',
  tenantId?: number,
  shared: 'and shared' | 'own' = 'and shared',
): ListQuery {
  const isNarrow = tenantId !== undefined
  const tenant = tenantId ?? 0
  switch (kind) {
    case 'tenant':
      return db
        .selectFrom('tenant')
        .select(['id', 'name', 'blocked'])
        .where('id', '>', 0)
        .$if(isNarrow, (rows) => rows.where('id', '=', tenant))
    case 'user':
      return db
        .selectFrom('users')
        .innerJoin('tenant', 'tenant.id', 'tenant_id')
        .select(['users.id', 'users.login', 'tenant.name as tenant', 'users.role', 'users.blocked'])
        .select([
          'users.id as user_id',
          'users.login as name',
          propertiesOf('user', 'users').as('properties'),
        ])
        .$if(isNarrow, (rows) => rows.where('users.tenant_id', '=', tenant))
    case 'host':
      return db
        .selectFrom('host')
        .select(['id', 'name', 'state', 'blocked', 'memory_mb as memory', 'seen_at as seen'])
        .select('door_address as address')
        .select(sql<number>`(SELECT count(*)::int FROM ostler.vm WHERE vm.host_id = host.id)`.as('desktops'))
        .select(['id as host_id', propertiesOf('host', 'host').as('properties')])
    case 'osf':
      return db
        .selectFrom('flavour')
        .leftJoin('tenant', 'tenant.id', 'flavour.tenant_id')
        .select(['flavour.id', 'flavour.name', 'memory_mb as memory', 'cpu_percent', 'is_application'])
        .select([
          'displays',
          'hypervisor',
          'home_mb',
          'overlay',
          'tenant.name as tenant',
          'max_desktops',
          'max_per_user',
          'net_in_kbit as net_in',
          'net_out_kbit as net_out',
          'disk_iops',
          'disk_kbytes as disk_rate',
          'slo_seconds',
          'slo_percent',
        ])
        .select(['flavour.id as osf_id', propertiesOf('osf', 'flavour').as('properties')])
        .$if(isNarrow, (rows) =>
          rows.where((eb) =>
            eb.or([
              eb('flavour.tenant_id', '=', tenant),
              ...(shared === 'own' ? [] : [eb('flavour.tenant_id', 'is', null)]),
            ]),
          ),
        )
    case 'di':
      return db
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
        .select(['disk_image.id as di_id', 'disk_image.flavour_id as osf_id'])
        .select(propertiesOf('di', 'disk_image').as('properties'))
        .$if(isNarrow, (rows) =>
          rows.where((eb) =>
            eb.or([
              eb('flavour.tenant_id', '=', tenant),
              ...(shared === 'own' ? [] : [eb('flavour.tenant_id', 'is', null)]),
            ]),
          ),
        )
    case 'vm':
      // What is told of a desktop from elsewhere is looked up for the rows that are shown. As joins all of it would cost more to plan
      // than to read, in every request, and be read of every desktop before a page is cut.
      return db
        .selectFrom('vm')
        .innerJoin('users', (join) => join.on('users.id', '=', userOfDesktop))
        .select((eb) => [
          'vm.id',
          'vm.name',
          'users.login as user',
          eb.selectFrom('tenant').select('name').whereRef('id', '=', 'users.tenant_id').as('tenant'),
          eb.selectFrom('flavour').select('name').whereRef('id', '=', 'vm.flavour_id').as('osf'),
          'vm.state',
          eb.selectFrom('host').select('name').whereRef('id', '=', 'vm.host_id').as('host'),
          'address',
          'vm.blocked',
          userStateOf(sql.ref('vm.id')).as('user_state'),
          'vm.di_tag',
          eb.selectFrom('disk_image').select('name').whereRef('id', '=', 'vm.disk_image_id').as('di'),
          eb
            .selectFrom('image_tag as tagged')
            .innerJoin('disk_image as next', 'next.id', 'tagged.disk_image_id')
            .select('next.name')
            .whereRef('tagged.flavour_id', '=', 'vm.flavour_id')
            .whereRef('tagged.tag', '=', 'vm.di_tag')
            .as('di_next'),
          'vm.expire_soft',
          'vm.expire_hard',
          'vm.agent_verdict as agent',
          'vm.failures',
          'vm.fault',
        ])
        .select(['vm.id as vm_id', 'users.id as user_id', 'vm.flavour_id as osf_id', 'vm.address as ip'])
        .select(['vm.host_id', 'vm.disk_image_id as di_id', propertiesOf('vm', 'vm').as('properties')])
        .$if(isNarrow, (rows) => rows.where('users.tenant_id', '=', tenant))
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

/** The number of a node, by its `nodename`. Throws `object.unknown`. */
export async function hostByName(db: Db, name: string): Promise<number> {
  return await idOf(db, 'host', 'host', name)
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
  table: 'flavour' | 'disk_image' | 'vm' | 'host',
  kind: string,
  name: string,
): Promise<number> {
  const row = await db.selectFrom(table).select('id').where('name', '=', name).executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind, name })
  return row.id
}
