import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import type { UserRole } from '../model/user.ts'
import type { Db } from './open.ts'

export interface TenantRow {
  readonly id: number
  readonly name: string
  readonly blocked: boolean
}

export interface UserRow {
  readonly id: number
  readonly login: string
  readonly tenant: { readonly id: number; readonly name: string }
  readonly role: UserRole
  /** A hash; empty for a user who has no password here. */
  readonly password: string
  /** She is blocked, or her tenant is. */
  readonly blocked: boolean
  /** Names of the groups that she is in. */
  readonly localGroups: readonly string[]
}

/** Finds a tenant by its name, in any case. */
export async function findTenant(db: Db, name: string): Promise<TenantRow | undefined> {
  return await db
    .selectFrom('tenant')
    .select(['id', 'name', 'blocked'])
    .where(sql`lower(name)`, '=', sql`lower(${name})`)
    .executeTakeFirst()
}

export async function findUser(db: Db, tenantId: number, login: string): Promise<UserRow | undefined> {
  return await userRows(db)
    .where('users.tenant_id', '=', tenantId)
    .where('users.login', '=', login)
    .executeTakeFirst()
}

export async function findUserById(db: Db, id: number): Promise<UserRow | undefined> {
  return await userRows(db).where('users.id', '=', id).executeTakeFirst()
}

/** Users as `UserRow`. */
export function userRows(db: Db) {
  return db
    .selectFrom('users')
    .innerJoin('tenant', 'tenant.id', 'users.tenant_id')
    .select((eb) => [
      'users.id',
      'users.login',
      'users.role',
      'users.password',
      eb
        .or([eb.ref('users.blocked'), eb.ref('tenant.blocked')])
        .$castTo<boolean>()
        .as('blocked'),
      sql<{ id: number; name: string }>`json_build_object('id', tenant.id, 'name', tenant.name)`.as('tenant'),
      sql<readonly string[]>`coalesce((
        SELECT json_agg(user_group.name ORDER BY user_group.name)
        FROM ostler.group_member JOIN ostler.user_group ON user_group.id = group_id
        WHERE user_id = users.id), '[]')`.as('localGroups'),
    ])
}

/** The value of a user's property. */
export async function readUserProperty(
  db: Db,
  tenantId: number,
  login: string,
  key: string,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('user_property')
    .innerJoin('users', 'users.id', 'user_id')
    .select('value')
    .where('tenant_id', '=', tenantId)
    .where('login', '=', login)
    .where('key', '=', key)
    .executeTakeFirst()
  return row?.value
}

/** Replaces a password's hash, if it still is the one that was read. */
export async function replaceHash(db: Db, userId: number, before: string, after: string): Promise<void> {
  await db
    .updateTable('users')
    .set({ password: after })
    .where('id', '=', userId)
    .where('password', '=', before)
    .execute()
}

/** The number of the tenant whose users need not name it. */
export const FIRST_TENANT = 1

/** The number of a tenant that has users. @throws Fault `object.unknown`. */
export async function requireTenant(db: Db, name: string | undefined): Promise<number> {
  if (name === undefined) return FIRST_TENANT
  const tenant = await findTenant(db, name)
  if (tenant === undefined || tenant.id < FIRST_TENANT)
    throw new Fault('object.unknown', { kind: 'tenant', name })
  return tenant.id
}

/** The number of a user. @throws Fault `object.unknown`. */
export async function requireUser(db: Db, tenantId: number, login: string): Promise<number> {
  const user = await findUser(db, tenantId, login)
  if (user === undefined) throw new Fault('object.unknown', { kind: 'user', name: login })
  return user.id
}

/** Gives a user another password. @param hash of it. */
export async function setPassword(db: Db, userId: number, hash: string): Promise<void> {
  await db.updateTable('users').set({ password: hash }).where('id', '=', userId).execute()
}
