import { sql } from 'kysely'
import type { Db } from './open.ts'

/** So long the same user may show the same credential again from the same address: clients need two connections. */
const AGAIN_SECONDS = 60

/**
 * Takes a one-time credential: `fresh`, `again` by the same user from the same address within a minute, or `spent`.
 * Numbers below the highest that was taken are spent, but for that minute. Of two doors that take the same one at once
 * the second waits for the first, so they never both find it fresh.
 */
export async function spendCredential(
  db: Db,
  userId: number,
  kind: string,
  number: number,
  address: string,
): Promise<'fresh' | 'again' | 'spent'> {
  const taken = await sql`
    INSERT INTO ostler.spent_credential (user_id, kind, number, address)
    SELECT ${userId}, ${kind}, ${number}, ${address} WHERE NOT EXISTS (
      SELECT 1 FROM ostler.spent_credential
      WHERE user_id = ${userId} AND kind = ${kind} AND number > ${number})
    ON CONFLICT (user_id, kind, number) DO NOTHING RETURNING number`.execute(db)
  if (taken.rows.length > 0) return 'fresh'
  const same = await sql`
    SELECT 1 FROM ostler.spent_credential
    WHERE user_id = ${userId} AND kind = ${kind} AND number = ${number} AND address = ${address}
      AND at > clock_timestamp() - make_interval(secs => ${AGAIN_SECONDS})`.execute(db)
  return same.rows.length > 0 ? 'again' : 'spent'
}

/** Forgets what is too old to be shown again; the newest of each kind stays, and tells what is older. */
export async function purgeSpent(db: Db): Promise<void> {
  await sql`
    DELETE FROM ostler.spent_credential AS old
    WHERE at < clock_timestamp() - make_interval(secs => ${AGAIN_SECONDS}) AND EXISTS (
      SELECT 1 FROM ostler.spent_credential AS newer
      WHERE newer.user_id = old.user_id AND newer.kind = old.kind AND newer.number > old.number)`.execute(db)
}
