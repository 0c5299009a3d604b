import { type Kysely, sql } from 'kysely'

/** Backups that were asked for, and what came of each. The api asks; hkd alone says how it went. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    CREATE TABLE ostler.backup (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      by text NOT NULL CHECK (length(by) BETWEEN 1 AND 256),
      asked_at timestamptz NOT NULL DEFAULT now(),
      started_at timestamptz,
      ended_at timestamptz,
      file text,
      bytes bigint,
      rows bigint,
      fault text,
      CHECK (ended_at IS NULL OR (file IS NULL) <> (fault IS NULL))
    )`.execute(db)
  await sql`CREATE INDEX ON ostler.backup (id) WHERE ended_at IS NULL`.execute(db)
  await sql`GRANT SELECT, INSERT (by) ON ostler.backup TO ostler_api`.execute(db)
}
