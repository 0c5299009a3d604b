import { type Kysely, sql } from 'kysely'

/** The order of starts, and properties of what a desktop is made of. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.host ADD COLUMN starting_max int NOT NULL DEFAULT 6 CHECK (starting_max > 0)`.execute(
    db,
  )
  // Why a desktop cannot start yet, whatever its turn.
  await sql`
    ALTER TABLE ostler.vm ADD COLUMN held text`.execute(db)
  await interactiveWishes(db)
  await properties(db)
}

/** A wish for which a user waits: her door renews its end, and closes it when she has gone. No other wish is the door's to change. */
async function interactiveWishes(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ostler.wish ADD COLUMN interactive boolean NOT NULL DEFAULT false`.execute(db)
  await sql`ALTER TABLE ostler.wish ENABLE ROW LEVEL SECURITY`.execute(db)
  await sql`CREATE POLICY seen ON ostler.wish FOR SELECT USING (true)`.execute(db)
  await sql`CREATE POLICY added ON ostler.wish FOR INSERT TO ostler_api WITH CHECK (true)`.execute(db)
  // What users wish: a door that is taken over can neither fence nor block anything.
  await sql`CREATE POLICY asked ON ostler.wish FOR INSERT TO ostler_l7r
    WITH CHECK (kind IN ('run', 'stop'))`.execute(db)
  await sql`CREATE POLICY waiting ON ostler.wish FOR UPDATE TO ostler_l7r
    USING (interactive AND kind = 'run')`.execute(db)
  await sql`GRANT UPDATE (expires_at, closed_at, outcome) ON ostler.wish TO ostler_l7r`.execute(db)
}

async function properties(db: Kysely<unknown>): Promise<void> {
  for (const [object, owner] of [
    ['flavour', 'flavour'],
    ['image', 'disk_image'],
    ['vm', 'vm'],
  ] as const) {
    const table = sql.table(`ostler.${object}_property`)
    const id = sql.ref(`${object}_id`)
    await sql`
      CREATE TABLE ${table} (
        ${id} int NOT NULL REFERENCES ${sql.table(`ostler.${owner}`)} ON DELETE CASCADE,
        key text NOT NULL CHECK (length(key) BETWEEN 1 AND 1024),
        value text NOT NULL CHECK (length(value) <= 32768),
        PRIMARY KEY (${id}, key)
      )`.execute(db)
    await sql`GRANT SELECT ON ${table} TO ostler_l7r`.execute(db)
    await sql`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ostler_api`.execute(db)
  }
}
