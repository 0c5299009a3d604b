import { type Kysely, sql } from 'kysely'

/** Flavours say what runs their desktops; a desktop says what runs its present boot, which hkd writes. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    ALTER TABLE ostler.flavour
      ADD hypervisor text NOT NULL DEFAULT 'lxc' CHECK (hypervisor IN ('lxc', 'kvm')),
      ADD home_mb int NOT NULL DEFAULT 10240 CHECK (home_mb BETWEEN 16 AND 67108864)`.execute(db)
  await sql`
    ALTER TABLE ostler.vm
      ADD hypervisor text NOT NULL DEFAULT 'lxc' CHECK (hypervisor IN ('lxc', 'kvm')),
      ADD warning text`.execute(db)
  await sql`
    ALTER TABLE ostler.disk_image DROP CONSTRAINT disk_image_kind_check,
      ADD CONSTRAINT disk_image_kind_check CHECK (kind IN ('instant', 'directory', 'tarball', 'qcow2'))`.execute(
    db,
  )
}
