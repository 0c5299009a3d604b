import { type Kysely, sql } from 'kysely'

/** Versions and tags of disk images, what each boot runs, and when it expires. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.disk_image
      ADD COLUMN version text CHECK (version ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
      ADD COLUMN blocked boolean NOT NULL DEFAULT false,
      ADD COLUMN added_at timestamptz NOT NULL DEFAULT now()`.execute(db)
  await sql`UPDATE ostler.disk_image SET version = name`.execute(db)
  await sql`
    ALTER TABLE ostler.disk_image
      ALTER COLUMN version SET NOT NULL,
      ADD CONSTRAINT disk_image_version UNIQUE (flavour_id, version),
      ADD CONSTRAINT disk_image_of_flavour UNIQUE (flavour_id, id)`.execute(db)
  await sql`
    CREATE TABLE ostler.image_tag (
      flavour_id int NOT NULL,
      tag text NOT NULL CHECK (tag ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
      disk_image_id int NOT NULL,
      fixed boolean NOT NULL DEFAULT false,
      PRIMARY KEY (flavour_id, tag),
      FOREIGN KEY (flavour_id, disk_image_id) REFERENCES ostler.disk_image (flavour_id, id) ON DELETE CASCADE
    )`.execute(db)
  await sql`
    INSERT INTO ostler.image_tag (flavour_id, tag, disk_image_id, fixed)
    SELECT flavour_id, version, id, true FROM ostler.disk_image`.execute(db)
  await sql`
    INSERT INTO ostler.image_tag (flavour_id, tag, disk_image_id)
    SELECT flavour_id, tag, max(id) FROM ostler.disk_image, unnest(ARRAY['head', 'default']) AS tag
    GROUP BY flavour_id, tag ON CONFLICT DO NOTHING`.execute(db)
  await sql`
    ALTER TABLE ostler.vm
      ADD COLUMN disk_image_id int REFERENCES ostler.disk_image ON DELETE SET NULL,
      ADD COLUMN expire_soft timestamptz,
      ADD COLUMN expire_hard timestamptz,
      ADD COLUMN expiry_told_at timestamptz`.execute(db)
  await sql`GRANT SELECT, INSERT, DELETE, UPDATE (disk_image_id) ON ostler.image_tag TO ostler_api`.execute(
    db,
  )
  await sql`GRANT UPDATE (blocked), DELETE ON ostler.disk_image TO ostler_api`.execute(db)
  await sql`GRANT INSERT (di_tag) ON ostler.vm TO ostler_api`.execute(db)
  await sql`GRANT UPDATE (di_tag, expire_soft, expire_hard, expiry_told_at) ON ostler.vm TO ostler_api`.execute(
    db,
  )
}
