import { Fault } from '@ostler/contract/fault.ts'
import type pg from 'pg'
import type { DatabaseAddress } from './open.ts'
import { withClient } from './single-client.ts'

/** The roles of the processes; each may do what its process needs (migration 0001). */
export const ROLES = { hkd: 'ostler_hkd', l7r: 'ostler_l7r', api: 'ostler_api' } as const

/** Makes the roles and the database in a new private cluster; what is there stays. */
export async function bootstrapDatabase(superuser: DatabaseAddress, database: string): Promise<void> {
  try {
    await withClient(superuser, 'ostler set-up', async (client) => {
      for (const role of Object.values(ROLES)) await makeRole(client, role)
      const known = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database])
      if (known.rowCount === 0)
        await client.query(
          `CREATE DATABASE ${client.escapeIdentifier(database)} OWNER ${client.escapeIdentifier(ROLES.hkd)}`,
        )
    })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('database.unavailable', { reason }, { cause })
  }
}

async function makeRole(client: pg.Client, role: string): Promise<void> {
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
