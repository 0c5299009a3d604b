import { sql } from 'kysely'
import type { Db } from './open.ts'

/** The tenant under which stands what is true for all of them. */
const ALL_TENANTS = -1

/** Keys that are set in the database: those for all tenants, and over them a tenant's own. */
export async function readConfiguration(
  db: Db,
  tenantId: number | undefined,
): Promise<Readonly<Record<string, string>>> {
  const rows = await db
    .selectFrom('config')
    .select(['key', 'value'])
    .where('tenant_id', 'in', tenantId === undefined ? [ALL_TENANTS] : [ALL_TENANTS, tenantId])
    .orderBy('tenant_id')
    .execute()
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]))
}

/** Changes whenever a key is set, altered or removed, for whatever tenant. */
export async function configurationStamp(db: Db): Promise<string> {
  const { rows } = await sql<{ stamp: string }>`
    SELECT md5(coalesce(string_agg(md5(config::text), '' ORDER BY tenant_id, key), '')) AS stamp
    FROM ostler.config`.execute(db)
  return rows[0]?.stamp ?? ''
}
