import type { KeyValue, PropertyOwner } from '@ostler/contract/admin-api.ts'
import { sql } from 'kysely'
import { userOfDesktop } from './desktop-user.ts'
import type { Db } from './open.ts'

/** What has properties, and in which table they are. */
const TABLES = {
  user: { table: 'user_property', id: 'user_id' },
  osf: { table: 'flavour_property', id: 'flavour_id' },
  di: { table: 'image_property', id: 'image_id' },
  vm: { table: 'vm_property', id: 'vm_id' },
  host: { table: 'host_property', id: 'host_id' },
} as const satisfies Record<PropertyOwner, { table: string; id: string }>

/** The properties of something, by key. */
export async function listProperties(db: Db, of: PropertyOwner, id: number): Promise<KeyValue[]> {
  const { table, owner } = place(of)
  const { rows } = await sql<KeyValue>`
    SELECT key, value FROM ${table} WHERE ${owner} = ${id} ORDER BY key`.execute(db)
  return rows
}

/** The properties of several, by number and key. */
export async function propertiesOfAll(
  db: Db,
  of: PropertyOwner,
  ids: readonly number[],
): Promise<(KeyValue & { readonly id: number })[]> {
  const { table, owner } = place(of)
  const { rows } = await sql<KeyValue & { id: number }>`
    SELECT ${owner} AS id, key, value FROM ${table} WHERE ${owner} = ANY (${[...ids]}) ORDER BY 1, key`.execute(
    db,
  )
  return rows
}

export async function setProperties(
  db: Db,
  of: PropertyOwner,
  id: number,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  const { table, owner } = place(of)
  await sql`
    INSERT INTO ${table} (${owner}, key, value)
    SELECT ${id}::int, key, value FROM jsonb_each_text(${JSON.stringify(values)}::jsonb)
    ON CONFLICT (${owner}, key) DO UPDATE SET value = excluded.value`.execute(db)
}

/** Returns how many there were. */
export async function deleteProperties(
  db: Db,
  of: PropertyOwner,
  id: number,
  keys: readonly string[],
): Promise<number> {
  const { table, owner } = place(of)
  const { numAffectedRows } = await sql`
    DELETE FROM ${table} WHERE ${owner} = ${id} AND key = ANY (${[...keys]})`.execute(db)
  return Number(numAffectedRows ?? 0)
}

/**
 * The properties of a desktop's flavour, of the image that it was booted from, of its user and its own, in the order in which
 * later ones win (compatibility page 1.4, step 16).
 */
export async function sessionProperties(db: Db, vmId: number): Promise<KeyValue[]> {
  const { rows } = await sql<KeyValue>`
    WITH desktop AS (SELECT id, flavour_id, disk_image_id AS image_id,
      ${userOfDesktop} AS user_id FROM ostler.vm WHERE id = ${vmId})
    SELECT key, value FROM (
      SELECT 1 AS rank, key, value FROM ostler.flavour_property JOIN desktop USING (flavour_id)
      UNION ALL SELECT 2, key, value FROM ostler.image_property JOIN desktop USING (image_id)
      UNION ALL SELECT 3, key, value FROM ostler.user_property JOIN desktop USING (user_id)
      UNION ALL SELECT 4, key, value FROM ostler.vm_property JOIN desktop ON vm_id = desktop.id) AS properties
    ORDER BY rank, key`.execute(db)
  return rows
}

function place(of: PropertyOwner) {
  const { table, owner } = propertyTable(of)
  return { table, owner: sql.ref(owner) }
}

/** The table of the properties of a kind, and its column that says whose each is. */
export function propertyTable(of: PropertyOwner) {
  const { table, id } = TABLES[of]
  return { table: sql.table(`ostler.${table}`), owner: id }
}
