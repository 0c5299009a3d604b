import { type Kysely, sql } from 'kysely'

/** Nodes are made known by an administrator before they start; only the first one of a database makes itself known. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`GRANT INSERT (name, memory_mb) ON ostler.host TO ostler_api`.execute(db)
}
