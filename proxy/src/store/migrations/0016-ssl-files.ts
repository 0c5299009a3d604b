import { type Kysely, sql } from 'kysely'

/** The certificate of all doors, which an administrator has set. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE ostler.authority ADD COLUMN sealing_key text`.execute(db)
  await sql`GRANT SELECT (sealing_key) ON ostler.authority TO ostler_api`.execute(db)
  await sql`
    CREATE TABLE ostler.ssl_file (
      name text PRIMARY KEY CHECK (name IN ('key', 'cert', 'ca', 'crl')),
      content text CHECK (length(content) <= 1048576),
      sealed text CHECK (length(sealed) <= 1048576),
      set_at timestamptz NOT NULL DEFAULT now(),
      CHECK (CASE WHEN name = 'key' THEN content IS NULL AND sealed IS NOT NULL
                  ELSE content IS NOT NULL AND sealed IS NULL END)
    )`.execute(db)
  // Nobody but hkd reads the key, and doors nothing at all: hkd gives each its file.
  await sql`GRANT SELECT (name, content, set_at), INSERT (name, content, sealed), DELETE
    ON ostler.ssl_file TO ostler_api`.execute(db)
}
