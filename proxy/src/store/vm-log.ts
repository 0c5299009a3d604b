import { sql } from 'kysely'
import type { Db } from './open.ts'

/**
 * Removes what is old from the log of desktops, in the only way that there is.
 * @param days how long a line is kept, at least one.
 * @returns how many lines went.
 */
export async function purgeLog(db: Db, days: number): Promise<number> {
  const { rows } = await sql<{ gone: number }>`SELECT ostler.purge_log(${days}) AS gone`.execute(db)
  return rows[0]?.gone ?? 0
}
