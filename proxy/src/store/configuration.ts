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

/** A key that is set in the database. */
export interface ConfigurationRow {
  /** Whose it is; null: of all tenants. */
  readonly tenant: string | null
  readonly key: string
  readonly value: string
}

/** Keys that are set in the database, those for all tenants first. @param tenantId only these and that tenant's; none: all. */
export async function listConfiguration(db: Db, tenantId?: number): Promise<ConfigurationRow[]> {
  const { rows } = await sql<ConfigurationRow>`
    SELECT CASE WHEN tenant_id = ${ALL_TENANTS} THEN NULL ELSE tenant.name END AS tenant, key, value
    FROM ostler.config LEFT JOIN ostler.tenant ON tenant.id = tenant_id
    WHERE ${tenantId ?? null}::int IS NULL OR tenant_id IN (${ALL_TENANTS}, ${tenantId ?? null}::int)
    ORDER BY tenant_id, key`.execute(db)
  return rows
}

/** Changes whenever a key is set, altered or removed, for whatever tenant. */
export async function configurationStamp(db: Db): Promise<string> {
  const { rows } = await sql<{ stamp: string }>`
    SELECT md5(coalesce(string_agg(md5(config::text), '' ORDER BY tenant_id, key), '')) AS stamp
    FROM ostler.config`.execute(db)
  return rows[0]?.stamp ?? ''
}

/** Sets keys for one tenant, or for all of them, and tells the doors. */
export async function setConfiguration(
  db: Db,
  tenantId: number | undefined,
  values: Readonly<Record<string, string>>,
): Promise<void> {
  await sql`
    WITH changed AS (
      INSERT INTO ostler.config (tenant_id, key, value)
      SELECT ${tenantId ?? ALL_TENANTS}::int, key, value FROM jsonb_each_text(${JSON.stringify(values)}::jsonb)
      ON CONFLICT (tenant_id, key) DO UPDATE SET value = excluded.value RETURNING key)
    SELECT pg_notify('ostler_config', '') FROM changed`.execute(db)
}

/** Removes keys of one tenant, or of all of them, and tells the doors. Returns how many there were. */
export async function deleteConfiguration(
  db: Db,
  tenantId: number | undefined,
  keys: readonly string[],
): Promise<number> {
  const { rows } = await sql`
    WITH gone AS (
      DELETE FROM ostler.config WHERE tenant_id = ${tenantId ?? ALL_TENANTS} AND key = ANY(${keys}::text[])
      RETURNING key)
    SELECT pg_notify('ostler_config', '') FROM gone`.execute(db)
  return rows.length
}
