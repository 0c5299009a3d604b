import { type Kysely, sql } from 'kysely'

/** Disk images may be squashfs files. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.disk_image DROP CONSTRAINT disk_image_kind_check,
      ADD CONSTRAINT disk_image_kind_check
        CHECK (kind IN ('instant', 'directory', 'tarball', 'squashfs', 'qcow2'))`.execute(db)
}
