import { type Kysely, sql } from 'kysely'

/** What QVD's balancer weighs besides memory: bogomips of a node, as it counts them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ostler.host ADD COLUMN cpu real NOT NULL DEFAULT 0 CHECK (cpu >= 0)`.execute(db)
}
