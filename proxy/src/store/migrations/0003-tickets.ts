import { type Kysely, sql } from 'kysely'

/** One-shot tickets for tunnels, displays and the hop to another node. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.ticket (
      digest bytea PRIMARY KEY,
      kind text NOT NULL
        CHECK (kind IN ('console', 'support', 'serial', 'ssh', 'folder', 'vnc', 'spice', 'rdp', 'hop')),
      vm_id int NOT NULL REFERENCES ostler.vm ON DELETE CASCADE,
      epoch int NOT NULL,
      by text NOT NULL CHECK (length(by) BETWEEN 1 AND 256),
      detail jsonb NOT NULL DEFAULT '{}',
      uses_left int NOT NULL DEFAULT 1 CHECK (uses_left BETWEEN 0 AND 32),
      expires_at timestamptz NOT NULL
    )`.execute(db)
  await sql`CREATE INDEX ticket_expires ON ostler.ticket (expires_at)`.execute(db)
  await sql`GRANT SELECT, INSERT, DELETE ON ostler.ticket TO ostler_l7r`.execute(db)
  await sql`GRANT INSERT ON ostler.ticket TO ostler_api`.execute(db)
}
