import { type Kysely, sql } from 'kysely'

/** The client's connection by which a wish came: its id stands in every log. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.wish ADD COLUMN connection text
      CHECK (connection ~ '^[a-z0-9]{8,32}$')`.execute(db)
}
