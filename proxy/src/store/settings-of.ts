import { type RawBuilder, sql } from 'kysely'
import type { Db } from './open.ts'

/** A kind of thing that a request can name. */
export type NamedKind =
  | 'tenant'
  | 'user'
  | 'host'
  | 'osf'
  | 'di'
  /** An image by its number. */
  | 'di-number'
  | 'vm'
  | 'policy'
  | 'group'
  | 'pool'
  | 'home'
  | 'administrator'
  | 'token'
  | 'capture'

/** How a request names it: by a name or a number as text, a user and a group within a tenant. */
export interface Naming {
  readonly kind: NamedKind
  readonly name: string
  /** For users and groups. */
  readonly tenantId?: number | undefined
}

/** Something that there is. */
export interface Found {
  readonly id: number
  /** Whose; null: all tenants'. */
  readonly tenantId: number | null
}

const NUMBER = /^\d{1,9}$/

const IMAGE = {
  table: 'disk_image',
  columns: `id, flavour_id, name, kind, path, version, blocked, (SELECT array_agg(tag ORDER BY tag)
    FROM ostler.image_tag WHERE disk_image_id = disk_image.id) AS tags`,
}

/** What an administrator says of it, by kind: nothing that hkd writes, and no secret. */
const SETTINGS: Partial<Readonly<Record<NamedKind, { table: string; columns: string }>>> = {
  tenant: { table: 'tenant', columns: 'id, name, blocked' },
  user: { table: 'users', columns: 'id, tenant_id, login, role, blocked, maintenance' },
  host: { table: 'host', columns: 'id, name, blocked, maintenance' },
  osf: {
    table: 'flavour',
    columns:
      'id, name, memory_mb, cpu_percent, is_application, displays, hypervisor, home_mb, overlay, maintenance, tenant_id, max_desktops, max_per_user, net_in_kbit, net_out_kbit, disk_iops, disk_kbytes, slo_seconds, slo_percent',
  },
  di: IMAGE,
  vm: {
    table: 'vm',
    columns:
      'id, name, user_id, flavour_id, address, di_tag, blocked, expire_soft, expire_hard, maintenance, pool_id, assigned_user_id',
  },
  policy: { table: 'policy_rule', columns: '*' },
  group: {
    table: 'user_group',
    columns: `id, tenant_id, name, (SELECT array_agg(user_id ORDER BY user_id)
      FROM ostler.group_member WHERE group_id = user_group.id) AS members`,
  },
  'di-number': IMAGE,
  pool: { table: 'pool', columns: '*' },
  home: {
    table: 'home',
    columns: 'id, user_id, flavour_id, kind, path, host_id, limit_mb, trashed_at, purge_at',
  },
  administrator: { table: 'administrator', columns: 'id, name, role, tenant_id, blocked' },
}

/**
 * Finds what a request names, and whose it is.
 * @returns `undefined` when there is none.
 */
export async function findNamed(db: Db, { kind, name, tenantId }: Naming): Promise<Found | undefined> {
  const { rows } = await FINDERS[kind](name, tenantId ?? 0).execute(db)
  return rows[0]
}

/**
 * What administrators say of something, as plain values; `undefined` when there is none.
 * @param lock nobody changes it until the transaction ends.
 */
export async function settingsOf(
  db: Db,
  kind: NamedKind,
  id: number,
  lock = false,
): Promise<Record<string, unknown> | undefined> {
  const place = SETTINGS[kind]
  if (place === undefined) return undefined
  const table = sql.table(`ostler.${place.table}`)
  // A rule is never changed, so that nobody may lock it.
  if (lock && kind !== 'policy' && kind !== 'group')
    await sql`SELECT FROM ${table} WHERE id = ${id} FOR UPDATE`.execute(db)
  const { rows } = await sql<{ settings: Record<string, unknown> }>`
    SELECT to_jsonb(said) AS settings FROM (SELECT ${sql.raw(place.columns)} FROM ${table} WHERE id = ${id}) AS said`.execute(
    db,
  )
  return rows[0]?.settings
}

type Finder = (name: string, tenantId: number) => RawBuilder<Found>

const numbered = (name: string): number => (NUMBER.test(name) ? Number(name) : 0)

const FINDERS: Readonly<Record<NamedKind, Finder>> = {
  tenant: (name) =>
    sql`SELECT id, id AS "tenantId" FROM ostler.tenant WHERE lower(name) = lower(${name}) AND id > 0`,
  user: (name, tenantId) => sql`
    SELECT id, tenant_id AS "tenantId" FROM ostler.users
    WHERE tenant_id = ${tenantId} AND login IN (${name}, lower(${name})) ORDER BY login = ${name} DESC LIMIT 1`,
  host: (name) => sql`SELECT id, NULL::int AS "tenantId" FROM ostler.host WHERE name = ${name}`,
  osf: (name) => sql`SELECT id, tenant_id AS "tenantId" FROM ostler.flavour WHERE name = ${name}`,
  di: (name) => sql`
    SELECT disk_image.id, tenant_id AS "tenantId" FROM ostler.disk_image JOIN ostler.flavour ON flavour.id = flavour_id
    WHERE disk_image.name = ${name}`,
  'di-number': (name) => sql`
    SELECT disk_image.id, tenant_id AS "tenantId" FROM ostler.disk_image JOIN ostler.flavour ON flavour.id = flavour_id
    WHERE disk_image.id = ${numbered(name)}`,
  vm: (name) => sql`
    SELECT vm.id, users.tenant_id AS "tenantId" FROM ostler.vm JOIN ostler.users ON users.id = user_id
    WHERE vm.name = ${name} OR vm.id = ${numbered(name)} ORDER BY vm.name = ${name} DESC LIMIT 1`,
  policy: (name) => sql`SELECT id, tenant_id AS "tenantId" FROM ostler.policy_rule WHERE name = ${name}`,
  group: (name, tenantId) => sql`
    SELECT id, tenant_id AS "tenantId" FROM ostler.user_group WHERE tenant_id = ${tenantId} AND name = ${name}`,
  pool: (name) => sql`SELECT id, tenant_id AS "tenantId" FROM ostler.pool WHERE name = ${name}`,
  // Of one whose user is gone only a name of a tenant is left, which another may bear by now: it is no tenant's.
  home: (name) => sql`
    SELECT home.id, users.tenant_id AS "tenantId" FROM ostler.home LEFT JOIN ostler.users ON users.id = user_id
    WHERE home.id = ${numbered(name)}`,
  administrator: (name) => sql`
    SELECT id, tenant_id AS "tenantId" FROM ostler.administrator WHERE lower(name) = lower(${name})`,
  token: (name) => sql`
    SELECT token.id, tenant_id AS "tenantId" FROM ostler.administrator_token AS token
    JOIN ostler.administrator ON administrator.id = administrator_id WHERE token.id = ${numbered(name)}`,
  capture: (name) => sql`
    SELECT capture.id, users.tenant_id AS "tenantId" FROM ostler.capture JOIN ostler.vm ON vm.id = vm_id
    JOIN ostler.users ON users.id = user_id WHERE capture.id = ${numbered(name)}`,
}
