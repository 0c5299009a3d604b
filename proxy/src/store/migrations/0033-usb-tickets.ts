import { type Kysely, sql } from 'kysely'

/** Tickets may be for USB devices. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.ticket DROP CONSTRAINT ticket_kind_check,
      ADD CONSTRAINT ticket_kind_check CHECK (
        kind IN ('console', 'support', 'serial', 'ssh', 'folder', 'usb', 'vnc', 'spice', 'rdp', 'hop')
      )`.execute(db)
}
