import { type Kysely, sql } from 'kysely'

/** Displays for clients of VNC, SPICE and RDP: what desktops of a flavour have, and what rules may say. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const kinds = sql`ARRAY['nx', 'rfb', 'vnc', 'spice', 'rdp']`
  await sql`
    ALTER TABLE ostler.flavour ADD COLUMN displays text[] NOT NULL DEFAULT ARRAY['nx', 'rfb', 'vnc', 'rdp']
      CHECK (displays <@ ${kinds} AND cardinality(displays) > 0)`.execute(db)
  await sql`ALTER TABLE ostler.policy_rule DROP CONSTRAINT policy_rule_displays_check`.execute(db)
  await sql`
    ALTER TABLE ostler.policy_rule
      ADD CONSTRAINT policy_rule_displays_check CHECK (displays <@ ${kinds})`.execute(db)
  // The first channel of a SPICE client binds its ticket to its seat.
  await sql`GRANT UPDATE (detail) ON ostler.ticket TO ostler_l7r`.execute(db)
}
