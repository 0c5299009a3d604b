import { type Kysely, sql } from 'kysely'

/** Flavours promise how soon their desktops are there; what came of it is read from the timelines. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.flavour
      ADD COLUMN slo_seconds int CHECK (slo_seconds BETWEEN 1 AND 86400),
      ADD COLUMN slo_percent float8 NOT NULL DEFAULT 98 CHECK (slo_percent >= 50 AND slo_percent < 100)`.execute(
    db,
  )
  await sql`GRANT UPDATE (slo_seconds, slo_percent) ON ostler.flavour TO ostler_api`.execute(db)
  await sql`CREATE INDEX ON ostler.timeline (at) WHERE step = 'agent up'`.execute(db)
  // Starts for which somebody waited.
  await sql`CREATE INDEX ON ostler.wish (vm_id, closed_at) WHERE interactive AND outcome = 'running'`.execute(
    db,
  )
}
