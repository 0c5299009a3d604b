import { sql } from 'kysely'
import type { Db } from './open.ts'

/** So long the same user may show the same credential again from the same address: clients need two connections. */
const AGAIN_SECONDS = 60

/**
 * Takes a one-time credential: `fresh`, `again` by the same user from the same address within a minute, or `spent`.
 * Of a kind only the newest is remembered: lower numbers are spent. All in one statement, so two doors never both
 * find it fresh.
 */
export async function spendCredential(
  db: Db,
  userId: number,
  kind: string,
  number: number,
  address: string,
): Promise<'fresh' | 'again' | 'spent'> {
  const taken = await sql`
    INSERT INTO ostler.spent_credential AS spent (user_id, kind, number, address)
    VALUES (${userId}, ${kind}, ${number}, ${address})
    ON CONFLICT (user_id, kind) DO UPDATE SET number = excluded.number, address = excluded.address, at = now()
    WHERE spent.number < excluded.number RETURNING number`.execute(db)
  if (taken.rows.length > 0) return 'fresh'
  const same = await sql`
    SELECT 1 FROM ostler.spent_credential
    WHERE user_id = ${userId} AND kind = ${kind} AND number = ${number} AND address = ${address}
      AND at > now() - make_interval(secs => ${AGAIN_SECONDS})`.execute(db)
  return same.rows.length > 0 ? 'again' : 'spent'
}
