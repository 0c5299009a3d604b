import { type Kysely, sql } from 'kysely'

/** Where the agent of a desktop is reached, for drivers whose desktops have no network. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ostler.vm ADD COLUMN agent_at text`.execute(db)
}
