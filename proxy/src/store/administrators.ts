import type { AdministratorRole } from '@ostler/contract/administrators.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import { addNamed } from './added.ts'
import type { Db } from './open.ts'

/** Somebody who administers, and the token by which she came. */
export interface TokenOwner {
  readonly id: number
  readonly name: string
  readonly role: AdministratorRole
  /** Null: of all tenants. */
  readonly tenantId: number | null
  readonly tenant: string | null
  readonly tokenId: number
  /** Permissions; null: all of her role's. */
  readonly scope: readonly string[] | null
  readonly expires: Date
}

/** A token or an invitation as it is kept. */
export interface NewAdministratorToken {
  readonly administratorId: number
  readonly kind: 'token' | 'invitation'
  readonly name: string
  readonly digest: Buffer
  readonly scope?: readonly string[] | undefined
  readonly seconds: number
}

/** Between two notes of when a token was used: each costs a write. */
const NOTED = sql`interval '1 minute'`

/** Adds an administrator, who has no token yet; returns her number. @throws Fault `object.exists`. */
export async function addAdministrator(
  db: Db,
  { name, role, tenantId }: { name: string; role: AdministratorRole; tenantId: number | undefined },
): Promise<number> {
  return await addNamed('administrator', name, () =>
    db
      .insertInto('administrator')
      .values({ name, role, tenant_id: tenantId ?? null })
      .returning('id')
      .executeTakeFirstOrThrow(),
  )
}

/** Finds an administrator by her name, in any case. @throws Fault `object.unknown`. */
export async function administratorByName(
  db: Db,
  name: string,
): Promise<{ id: number; name: string; role: AdministratorRole; tenantId: number | null; blocked: boolean }> {
  const row = await db
    .selectFrom('administrator')
    .select(['id', 'name', 'role', 'tenant_id as tenantId', 'blocked'])
    .where(sql`lower(name)`, '=', sql`lower(${name})`)
    .executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind: 'administrator', name })
  return row
}

/** How many administrators there are who are not blocked and of all tenants. */
export async function countSuperadmins(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM ostler.administrator WHERE role = 'superadmin' AND NOT blocked`.execute(
    db,
  )
  return rows[0]?.count ?? 0
}

export async function blockAdministrator(db: Db, id: number, blocked: boolean): Promise<void> {
  await db.updateTable('administrator').set({ blocked }).where('id', '=', id).execute()
}

/** Removes an administrator with her tokens; what she did stays in the audit log. */
export async function deleteAdministrator(db: Db, id: number): Promise<void> {
  await db.deleteFrom('administrator').where('id', '=', id).execute()
}

/** The administrators of a tenant, or all of them. */
export async function listAdministrators(db: Db, tenantId: number | undefined) {
  return await db
    .selectFrom('administrator')
    .leftJoin('tenant', 'tenant.id', 'administrator.tenant_id')
    .select([
      'administrator.id',
      'administrator.name',
      'administrator.role',
      'tenant.name as tenant',
      'administrator.blocked',
      'administrator.made_at as made',
    ])
    .$if(tenantId !== undefined, (rows) => rows.where('administrator.tenant_id', '=', tenantId ?? 0))
    .orderBy('administrator.id')
    .execute()
}

/** Keeps a token; returns its number and when it ends. */
export async function addAdministratorToken(
  db: Db,
  token: NewAdministratorToken,
): Promise<{ id: number; expires: Date }> {
  const { administratorId: administrator_id, kind, name, digest, scope, seconds } = token
  return await db
    .insertInto('administrator_token')
    .values({
      ...{ administrator_id, kind, name, digest },
      scope: scope ?? null,
      expires_at: sql`now() + make_interval(secs => ${seconds})`,
    })
    .returning(['id', 'expires_at as expires'])
    .executeTakeFirstOrThrow()
}

/** Whose a token is; `undefined`: nobody's, or no longer. Notes now and then that it was used. */
export async function findTokenOwner(
  db: Db,
  digest: Buffer,
  address: string,
): Promise<TokenOwner | undefined> {
  const { rows } = await sql<TokenOwner & { stale: boolean }>`
    SELECT administrator.id, administrator.name, role, tenant.id AS "tenantId", tenant.name AS tenant,
      token.id AS "tokenId", scope, expires_at AS expires,
      (used_at IS NULL OR used_at < now() - ${NOTED} OR used_from IS DISTINCT FROM ${address}) AS stale
    FROM ostler.administrator_token AS token JOIN ostler.administrator ON administrator.id = administrator_id
      LEFT JOIN ostler.tenant ON tenant.id = tenant_id
    WHERE digest = ${digest} AND kind = 'token' AND expires_at > now() AND NOT administrator.blocked
      AND tenant.blocked IS NOT TRUE`.execute(db)
  const [row] = rows
  if (row === undefined) return undefined
  const { stale, ...owner } = row
  if (stale)
    await db
      .updateTable('administrator_token')
      .set({ used_at: sql<Date>`now()`, used_from: address })
      .where('id', '=', owner.tokenId)
      .execute()
  return owner
}

/** Takes an invitation, once; returns whose it was. */
export async function takeInvitation(
  db: Db,
  digest: Buffer,
): Promise<{ id: number; name: string } | undefined> {
  const { rows } = await sql<{ id: number; name: string }>`
    WITH taken AS (
      DELETE FROM ostler.administrator_token
      WHERE digest = ${digest} AND kind = 'invitation' AND expires_at > now() RETURNING administrator_id)
    SELECT administrator.id, administrator.name FROM taken JOIN ostler.administrator ON administrator.id = administrator_id
    WHERE NOT blocked`.execute(db)
  return rows[0]
}

/** Tokens and invitations of a tenant's administrators, or of all. Never what opens anything. */
export async function listAdministratorTokens(db: Db, tenantId: number | undefined) {
  return await db
    .selectFrom('administrator_token as token')
    .innerJoin('administrator', 'administrator.id', 'token.administrator_id')
    .select([
      'token.id',
      'administrator.name as administrator',
      'token.name',
      'token.kind',
      sql<string | null>`array_to_string(scope, ' ')`.as('scope'),
      'token.made_at as made',
      'token.expires_at as expires',
      'token.used_at as used',
      'token.used_from as from',
    ])
    .$if(tenantId !== undefined, (rows) => rows.where('administrator.tenant_id', '=', tenantId ?? 0))
    .orderBy('token.id')
    .execute()
}

/** Ends a token at once. @throws Fault `object.unknown`. */
export async function deleteAdministratorToken(db: Db, id: number): Promise<void> {
  const { numDeletedRows } = await db
    .deleteFrom('administrator_token')
    .where('id', '=', id)
    .executeTakeFirst()
  if (numDeletedRows === 0n) throw new Fault('object.unknown', { kind: 'token', name: String(id) })
}
