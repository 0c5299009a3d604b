import pg from 'pg'
import type { DatabaseAddress } from './open.ts'

const CONNECT_MS = 10_000
const STATEMENT_MS = 30_000

/**
 * One connection for what is done once, as who may make roles: no pool, and closed at its end.
 * @param name of the task, as the server's lists of connections show it.
 * @throws what PostgreSQL says, and what `use` throws.
 */
export async function withClient<T>(
  address: DatabaseAddress,
  name: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    ...address,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS,
    application_name: name,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return await use(client)
  } finally {
    await client.end().catch(() => {})
  }
}
