import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import type { Db } from './open.ts'

/** Blocks or unblocks a user. A door asks for her row at the next sign-in, and every few seconds after it. */
export async function blockUser(db: Db, userId: number, blocked: boolean): Promise<void> {
  await db.updateTable('users').set({ blocked }).where('id', '=', userId).execute()
}

/** Blocks or unblocks a tenant: all of its users. */
export async function blockTenant(db: Db, tenantId: number, blocked: boolean): Promise<void> {
  await db.updateTable('tenant').set({ blocked }).where('id', '=', tenantId).execute()
}

/** Blocks or unblocks a desktop, and tells the doors. */
export async function blockDesktop(db: Db, vmId: number, blocked: boolean): Promise<void> {
  await sql`
    WITH changed AS (UPDATE ostler.vm SET blocked = ${blocked} WHERE id = ${vmId} RETURNING id)
    SELECT pg_notify('ostler_vm', id::text) FROM changed`.execute(db)
}

/** Blocks or unblocks a node, and tells its door. @throws Fault `object.unknown`. */
export async function blockHost(db: Db, name: string, blocked: boolean): Promise<void> {
  const { rows } = await sql`
    WITH changed AS (UPDATE ostler.host SET blocked = ${blocked} WHERE name = ${name} RETURNING id)
    SELECT pg_notify('ostler_host', id::text) FROM changed`.execute(db)
  if (rows.length === 0) throw new Fault('object.unknown', { kind: 'host', name })
}
