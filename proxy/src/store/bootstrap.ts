import { Fault } from '@ostler/contract/fault.ts'
import pg from 'pg'
import type { DatabaseAddress } from './open.ts'

/** The roles of the processes; each may do what its process needs (migration 0001). */
export const ROLES = { hkd: 'ostler_hkd', l7r: 'ostler_l7r', api: 'ostler_api' } as const

/** Makes the roles and the database in a new private cluster; what is there stays. */
export async function bootstrapDatabase(superuser: DatabaseAddress, database: string): Promise<void> {
  const client = new pg.Client({ ...superuser, connectionTimeoutMillis: 5_000 })
  try {
    await client.connect()
    for (const role of Object.values(ROLES)) {
      const name = client.escapeIdentifier(role)
      const { rows } = await client.query<{ rolcanlogin: boolean }>(
        'SELECT rolcanlogin FROM pg_roles WHERE rolname = $1',
        [role],
      )
      const [known] = rows
      if (known === undefined) await client.query(`CREATE ROLE ${name} LOGIN`)
      // A move to a server was killed half-way, or is taken back.
      else if (!known.rolcanlogin) await client.query(`ALTER ROLE ${name} LOGIN`)
    }
    const known = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database])
    if (known.rowCount === 0)
      await client.query(
        `CREATE DATABASE ${client.escapeIdentifier(database)} OWNER ${client.escapeIdentifier(ROLES.hkd)}`,
      )
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('database.unavailable', { reason }, { cause })
  } finally {
    await client.end().catch(() => {})
  }
}
