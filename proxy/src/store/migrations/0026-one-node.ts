import { type Kysely, sql } from 'kysely'

/**
 * A flavour may say what one of its desktops reads and writes in a second. What was kept of a failed start outlives its desktop until hkd
 * has removed the files: a row that went with the desktop left them to nobody.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await diskRates(db)
  await sql`
    ALTER TABLE ostler.failed_start ALTER COLUMN vm_id DROP NOT NULL,
      DROP CONSTRAINT failed_start_vm_id_fkey,
      ADD FOREIGN KEY (vm_id) REFERENCES ostler.vm ON DELETE SET NULL`.execute(db)
}

/** Without a number nothing is limited. */
async function diskRates(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.flavour
      ADD COLUMN disk_iops int CHECK (disk_iops >= 10),
      ADD COLUMN disk_kbytes int CHECK (disk_kbytes >= 64)`.execute(db)
  await sql`GRANT UPDATE (disk_iops, disk_kbytes) ON ostler.flavour TO ostler_api`.execute(db)
}
