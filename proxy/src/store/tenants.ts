import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import type { Db } from './open.ts'
import { requireTenant } from './users.ts'
import { transact } from './transact.ts'

/** Gives a tenant another name. @throws Fault `object.unknown`, `object.exists`. */
export async function renameTenant(db: Db, name: string, to: string): Promise<void> {
  const id = await requireTenant(db, name)
  const { rows } = await sql`
    UPDATE ostler.tenant SET name = ${to}
    WHERE id = ${id} AND NOT EXISTS (SELECT FROM ostler.tenant WHERE lower(name) = lower(${to}) AND id <> ${id})
    RETURNING id`.execute(db)
  if (rows.length === 0) throw new Fault('object.exists', { kind: 'tenant', name: to })
}

/**
 * Removes a tenant that has nothing any more, with its configuration, groups and rules.
 * @throws Fault `object.unknown`, `tenant.inUse`.
 */
export async function deleteTenant(db: Db, name: string): Promise<void> {
  await transact(db, async (tx) => {
    const id = await requireTenant(tx, name)
    await sql`SELECT id FROM ostler.tenant WHERE id = ${id} FOR UPDATE`.execute(tx)
    const { rows } = await sql<{ users: number; flavours: number }>`
      SELECT (SELECT count(*)::int FROM ostler.users WHERE tenant_id = ${id}) AS users,
        (SELECT count(*)::int FROM ostler.flavour WHERE tenant_id = ${id}) AS flavours`.execute(tx)
    const { users = 0, flavours = 0 } = rows[0] ?? {}
    if (users + flavours > 0) throw new Fault('tenant.inUse', { tenant: name, users, flavours })
    await sql`DELETE FROM ostler.tenant WHERE id = ${id}`.execute(tx)
  })
}
