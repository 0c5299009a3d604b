import { type Kysely, sql } from 'kysely'

/**
 * Flavours may name what runs their desktops, else the node's own does; a desktop says what runs its present boot, or ran
 * its last one, which hkd writes.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.flavour
      ADD hypervisor text CHECK (hypervisor IN ('lxc', 'kvm', 'process')),
      ADD home_mb int NOT NULL DEFAULT 10240 CHECK (home_mb BETWEEN 16 AND 67108864)`.execute(db)
  await sql`
    ALTER TABLE ostler.vm
      ADD hypervisor text CHECK (hypervisor IN ('lxc', 'kvm', 'process', 'simulated')),
      ADD warning text`.execute(db)
  await sql`
    ALTER TABLE ostler.disk_image DROP CONSTRAINT disk_image_kind_check,
      ADD CONSTRAINT disk_image_kind_check CHECK (kind IN ('instant', 'directory', 'tarball', 'qcow2'))`.execute(
    db,
  )
}
