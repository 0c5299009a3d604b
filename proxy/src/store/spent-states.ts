import { sql } from 'kysely'
import type { Db } from './open.ts'

/** Takes the state of a sign-in at a provider. @returns false when it was taken before, at whichever door. */
export async function spendState(db: Db, digest: Buffer, seconds: number): Promise<boolean> {
  const { rows } = await sql`
    INSERT INTO ostler.spent_state (digest, expires_at) VALUES (${digest}, now() + make_interval(secs => ${seconds}))
    ON CONFLICT DO NOTHING RETURNING digest`.execute(db)
  return rows.length > 0
}
