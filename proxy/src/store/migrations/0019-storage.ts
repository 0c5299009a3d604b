import { type Kysely, sql } from 'kysely'

/** How images stand on each node, what failed starts have left, and orders to look through the storage. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.disk_image
      ADD COLUMN sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
      DROP CONSTRAINT disk_image_path_check,
      ADD CONSTRAINT disk_image_path_check
        CHECK (path ~ '^(/[A-Za-z0-9_./+-]*|[A-Za-z0-9_][A-Za-z0-9_.+-]*)$')`.execute(db)
  await sql`
    CREATE TABLE ostler.image_copy (
      disk_image_id int NOT NULL REFERENCES ostler.disk_image ON DELETE CASCADE,
      host_id int NOT NULL REFERENCES ostler.host ON DELETE CASCADE,
      state text NOT NULL CHECK (state IN ('new', 'copying', 'ready', 'broken', 'removed')),
      reason text,
      bytes_done bigint NOT NULL DEFAULT 0,
      bytes bigint NOT NULL DEFAULT 0,
      sha256 text,
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (disk_image_id, host_id)
    )`.execute(db)
  await sql`
    CREATE TABLE ostler.failed_start (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      vm_id int NOT NULL REFERENCES ostler.vm ON DELETE CASCADE,
      host_id int NOT NULL REFERENCES ostler.host ON DELETE CASCADE,
      epoch int NOT NULL,
      at timestamptz NOT NULL DEFAULT now(),
      folder text NOT NULL,
      bytes bigint NOT NULL,
      fault text NOT NULL,
      UNIQUE (vm_id, epoch)
    )`.execute(db)
  await sql`
    CREATE TABLE ostler.storage_look (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      host_id int NOT NULL REFERENCES ostler.host ON DELETE CASCADE,
      by text NOT NULL CHECK (length(by) BETWEEN 1 AND 256),
      asked_at timestamptz NOT NULL DEFAULT now(),
      ended_at timestamptz,
      fault text
    )`.execute(db)
  await sql`
    CREATE TABLE ostler.storage_orphan (
      id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      look_id int NOT NULL REFERENCES ostler.storage_look ON DELETE CASCADE,
      path text NOT NULL,
      kind text NOT NULL,
      why text NOT NULL,
      bytes bigint NOT NULL,
      modified_at timestamptz NOT NULL,
      identity text NOT NULL,
      purge_asked_at timestamptz,
      purged_at timestamptz,
      fault text
    )`.execute(db)
  await sql`GRANT SELECT ON ostler.image_copy, ostler.failed_start, ostler.storage_orphan TO ostler_api`.execute(
    db,
  )
  await sql`GRANT SELECT, INSERT (host_id, by) ON ostler.storage_look TO ostler_api`.execute(db)
  await sql`GRANT UPDATE (purge_asked_at) ON ostler.storage_orphan TO ostler_api`.execute(db)
}
