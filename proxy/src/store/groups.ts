import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import { addNamed } from './added.ts'
import type { Db } from './open.ts'

/** A line of `qa group list`. */
export interface GroupRow {
  readonly id: number
  readonly name: string
  readonly tenant: string
  /** Logins, by commas. */
  readonly members: string
}

/** The groups of a tenant, or of all. */
export async function listGroups(db: Db, tenantId: number | undefined): Promise<GroupRow[]> {
  const { rows } = await sql<GroupRow>`
    SELECT user_group.id, user_group.name, tenant.name AS tenant,
      coalesce((SELECT string_agg(login, ',' ORDER BY login)
        FROM ostler.group_member JOIN ostler.users ON users.id = user_id
        WHERE group_id = user_group.id), '') AS members
    FROM ostler.user_group JOIN ostler.tenant ON tenant.id = tenant_id
    WHERE ${tenantId ?? null}::int IS NULL OR tenant_id = ${tenantId ?? null}::int ORDER BY user_group.id`.execute(
    db,
  )
  return rows
}

/** Adds a group without members; returns its number. @throws Fault `object.exists`. */
export async function addGroup(db: Db, tenantId: number, name: string): Promise<number> {
  return await addNamed('group', name, () =>
    db
      .insertInto('user_group')
      .values({ tenant_id: tenantId, name })
      .returning('id')
      .executeTakeFirstOrThrow(),
  )
}

/** Removes a group; its members stay. @throws Fault `object.unknown`. */
export async function deleteGroup(db: Db, tenantId: number, name: string): Promise<void> {
  await db
    .deleteFrom('user_group')
    .where('id', '=', await requireGroup(db, tenantId, name))
    .execute()
}

/** Makes a user of the same tenant a member, if she is none. It counts from her next sign-in on. @throws Fault `object.unknown`. */
export async function joinGroup(db: Db, tenantId: number, name: string, userId: number): Promise<void> {
  const group = await requireGroup(db, tenantId, name)
  await db
    .insertInto('group_member')
    .values({ tenant_id: tenantId, group_id: group, user_id: userId })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Ends a membership. @throws Fault `object.unknown`, also when there is none. */
export async function leaveGroup(db: Db, tenantId: number, name: string, userId: number): Promise<void> {
  const { numDeletedRows } = await db
    .deleteFrom('group_member')
    .where('group_id', '=', await requireGroup(db, tenantId, name))
    .where('user_id', '=', userId)
    .executeTakeFirst()
  if (numDeletedRows === 0n) throw new Fault('object.unknown', { kind: 'member of group', name })
}

async function requireGroup(db: Db, tenantId: number, name: string): Promise<number> {
  const row = await db
    .selectFrom('user_group')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .where('name', '=', name)
    .executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind: 'group', name })
  return row.id
}
