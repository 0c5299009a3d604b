import { type Kysely, sql } from 'kysely'

/** Nodes have properties and can be removed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.host_property (
      host_id int NOT NULL REFERENCES ostler.host ON DELETE CASCADE,
      key text NOT NULL CHECK (length(key) BETWEEN 1 AND 1024),
      value text NOT NULL CHECK (length(value) <= 32768),
      PRIMARY KEY (host_id, key)
    )`.execute(db)
  await sql`GRANT SELECT, INSERT, UPDATE, DELETE ON ostler.host_property TO ostler_api`.execute(db)
  await sql`GRANT DELETE, INSERT (door_address) ON ostler.host TO ostler_api`.execute(db)
  // That an image was once made there holds no node.
  await sql`
    ALTER TABLE ostler.capture DROP CONSTRAINT capture_host_id_fkey,
      ADD FOREIGN KEY (host_id) REFERENCES ostler.host ON DELETE SET NULL`.execute(db)
}
