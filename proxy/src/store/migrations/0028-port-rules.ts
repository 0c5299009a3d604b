import { type Kysely, sql } from 'kysely'

/** Rules may speak of ports. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ostler.policy_rule ADD COLUMN ports boolean`.execute(db)
}
