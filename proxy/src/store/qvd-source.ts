import { Fault } from '@ostler/contract/fault.ts'
import pg from 'pg'
import type { ForeignContents } from './foreign-contents.ts'

/** Where a QVD has its database. */
export interface QvdAddress {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly password: string
}

const CONNECT_MS = 10_000
const STATEMENT_MS = 120_000
const OWNERS = ['user', 'vm', 'osf', 'di'] as const

/**
 * Reads all of it in one transaction that cannot write, as of one moment; a QVD that runs goes on.
 * @throws Fault `import.unreachable`, or `import.foreign` for a database that is no QVD's.
 */
export async function readQvd(address: QvdAddress): Promise<ForeignContents> {
  const client = new pg.Client({
    ...address,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    query_timeout: STATEMENT_MS + CONNECT_MS,
    application_name: 'ostler import',
  })
  // A connection that breaks rejects its query as well.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
    return await readTables(client, address)
  } catch (error) {
    if (error instanceof Fault) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new Fault(
      'import.unreachable',
      { database: address.database, host: address.host, reason },
      { cause: error },
    )
  } finally {
    await client.end().catch(() => {})
  }
}

async function readTables(client: pg.Client, { database }: QvdAddress): Promise<ForeignContents> {
  const columns = await columnsOf(client)
  const has = (table: string, column?: string): boolean => {
    const found = columns.get(table)
    return found !== undefined && (column === undefined || found.has(column))
  }
  if (
    !['users', 'osfs', 'dis', 'di_tags', 'vms', 'vm_runtimes', 'configs', 'hosts'].every((table) =>
      has(table),
    )
  )
    throw new Fault('import.foreign', { database, whose: 'QVD' })
  const all = async <T extends object>(text: string): Promise<T[]> => (await client.query<T>(text)).rows
  // What a 3.x has not yet is as if it were nothing.
  const or = (table: string, column: string, nothing: string): string =>
    has(table, column) ? `${table}.${column}` : `${nothing} AS ${column}`
  const no = 'NULL::int'
  const [schema] = has('versions')
    ? await all<{ version: string }>(`SELECT version FROM versions WHERE component = 'schema'`)
    : []
  return {
    version: schema?.version ?? (has('tenants') ? '4' : '3'),
    tenants: has('tenants')
      ? await all(
          'SELECT id, name, coalesce(blocked, false) AS blocked FROM tenants WHERE id > 0 ORDER BY id',
        )
      : [],
    users: await all(
      `SELECT id, ${or('users', 'tenant_id', no)}, login, password, ${or('users', 'blocked', 'false')} FROM users ORDER BY id`,
    ),
    groups: [],
    osfs: await all(
      `SELECT id, ${or('osfs', 'tenant_id', no)}, name, memory, use_overlay, user_storage_size::text,
        ${or('osfs', 'is_application', 'false')} FROM osfs ORDER BY id`,
    ),
    dis: await all(`SELECT id, osf_id, path, version, ${or('dis', 'blocked', 'false')} FROM dis ORDER BY id`),
    di_tags: await all('SELECT di_id, tag, coalesce(fixed, false) AS fixed FROM di_tags ORDER BY id'),
    vms: await all(
      `SELECT vms.id, name, user_id, osf_id, di_tag, ip, coalesce(vm_runtimes.blocked, false) AS blocked
      FROM vms LEFT JOIN vm_runtimes ON vm_runtimes.vm_id = vms.id ORDER BY vms.id`,
    ),
    properties: await propertiesOf(has, all),
    configs: await all(`SELECT ${or('configs', 'tenant_id', no)}, key, value FROM configs ORDER BY key`),
    hosts: await all('SELECT name FROM hosts ORDER BY id'),
    administrators: has('administrators')
      ? await all('SELECT name FROM administrators WHERE id > 0 ORDER BY id')
      : [],
  }
}

/** In 3.x a property has its key beside it, in 4.x two tables away. */
async function propertiesOf(
  has: (table: string, column?: string) => boolean,
  all: <T extends object>(text: string) => Promise<T[]>,
): Promise<ForeignContents['properties']> {
  const found: ForeignContents['properties'][number][] = []
  for (const owner of OWNERS) {
    const table = `${owner}_properties`
    if (!has(table)) continue
    found.push(
      ...(await all<ForeignContents['properties'][number]>(
        has(table, 'key')
          ? `SELECT '${owner}' AS owner, ${owner}_id AS id, key, value FROM ${table} ORDER BY 2, 3`
          : `SELECT '${owner}' AS owner, ${owner}_id AS id, list.key, value FROM ${table}
            JOIN qvd_object_properties_list AS declared ON declared.id = ${table}.property_id
            JOIN properties_list AS list ON list.id = declared.property_id ORDER BY 2, 3`,
      )),
    )
  }
  return found
}

/** Tables that are found without naming a schema, with their columns. */
async function columnsOf(client: pg.Client): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const { rows } = await client.query<{ name: string; columns: string[] }>(`
    SELECT relname AS name, array_agg(attname::text) AS columns
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped AND pg_table_is_visible(pg_class.oid)
      AND relnamespace <> 'pg_catalog'::regnamespace GROUP BY relname`)
  return new Map(rows.map(({ name, columns }) => [name, new Set(columns)]))
}
