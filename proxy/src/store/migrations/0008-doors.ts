import { type Kysely, sql } from 'kysely'

/** Where doors of other nodes reach a node's door; the door itself writes it, for it knows where it listens. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.host
      ADD COLUMN door_address text CHECK (length(door_address) BETWEEN 1 AND 253),
      ADD COLUMN door_port int CHECK (door_port BETWEEN 1 AND 65535)`.execute(db)
  await sql`GRANT UPDATE (door_address, door_port) ON ostler.host TO ostler_l7r`.execute(db)
}
