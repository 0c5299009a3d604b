import { Fault } from '@ostler/contract/fault.ts'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { DatabaseAddress } from './open.ts'

/** Of each table of the schema `ostler` how many rows it has, and a digest of what stands in them, in any order. */
export type Contents = ReadonlyMap<string, { readonly rows: number; readonly digest: string }>

/** A database as it is at one moment, for as long as this is open. */
export interface Snapshot extends AsyncDisposable {
  /** By this name `pg_dump --snapshot` sees the same moment. */
  readonly name: string
  readonly contents: Contents
  readonly bytes: number
}

const CONNECT_MS = 5_000
/** A large table takes a while to be read. */
const STATEMENT_MS = 600_000
/** Rows are compared as text: two servers must write them alike, whatever their own settings are. */
const AS_TEXT =
  '-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex -c extra_float_digits=1'
const TRIAL_PREFIX = 'ostler_trial_'

/** @param superuser whom no row-level security hides a row from. @throws Fault `database.unavailable`. */
export async function openSnapshot(superuser: DatabaseAddress): Promise<Snapshot> {
  const client = await connect(superuser)
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const { rows } = await client.query<{ name: string; bytes: string }>(
      'SELECT pg_export_snapshot() AS name, pg_database_size(current_database()) AS bytes',
    )
    const { name = '', bytes = '0' } = rows[0] ?? {}
    return {
      name,
      bytes: Number(bytes),
      contents: await contentsOf(client),
      [Symbol.asyncDispose]: async () => await client.end().catch(() => {}),
    }
  } catch (error) {
    await client.end().catch(() => {})
    throw unavailable(error)
  }
}

/** What stands in a database now. @throws Fault `database.unavailable`. */
export async function readContents(superuser: DatabaseAddress): Promise<Contents> {
  const client = await connect(superuser)
  try {
    return await contentsOf(client)
  } catch (error) {
    throw unavailable(error)
  } finally {
    await client.end().catch(() => {})
  }
}

/** The rows of all tables together. */
export function rowsOf(contents: Contents): number {
  return [...contents.values()].reduce((sum, { rows }) => sum + rows, 0)
}

/** Names of the tables that are not alike, sorted. */
export function differences(one: Contents, other: Contents): string[] {
  const names = [...new Set([...one.keys(), ...other.keys()])].sort()
  return names.filter((name) => {
    const [a, b] = [one.get(name), other.get(name)]
    return a === undefined || b === undefined || a.rows !== b.rows || a.digest !== b.digest
  })
}

/**
 * Makes an empty database for a trial and drops it afterwards; those that a crash left behind go first.
 * @param superuser in any other database of the server.
 */
export async function inTrialDatabase<T>(
  superuser: DatabaseAddress,
  use: (trial: DatabaseAddress) => Promise<T>,
): Promise<T> {
  const client = await connect(superuser)
  const drop = async (name: string): Promise<void> =>
    void (await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(name)} WITH (FORCE)`))
  try {
    const left = await client.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
      [TRIAL_PREFIX],
    )
    for (const { datname } of left.rows) await drop(datname)
    const database = `${TRIAL_PREFIX}${randomBytes(6).toString('hex')}`
    // Nobody's settings: an administrator may have put tables of her own into template1.
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)} TEMPLATE template0`)
    try {
      return await use({ ...superuser, database })
    } finally {
      await drop(database)
    }
  } catch (error) {
    throw unavailable(error)
  } finally {
    await client.end().catch(() => {})
  }
}

async function contentsOf(client: pg.Client): Promise<Contents> {
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'ostler' ORDER BY 1`,
  )
  const contents = new Map<string, { rows: number; digest: string }>()
  for (const { name } of tables) {
    const { rows } = await client.query<{ rows: string; digest: string }>(
      `SELECT count(*) AS rows, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text AS digest
       FROM ostler.${client.escapeIdentifier(name)} AS t`,
    )
    contents.set(name, { rows: Number(rows[0]?.rows ?? 0), digest: rows[0]?.digest ?? '' })
  }
  return contents
}

async function connect(address: DatabaseAddress): Promise<pg.Client> {
  const client = new pg.Client({
    ...address,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: STATEMENT_MS,
    application_name: 'ostler backup',
    options: AS_TEXT,
  })
  // The query that breaks is rejected besides.
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch (error) {
    await client.end().catch(() => {})
    throw unavailable(error)
  }
}

function unavailable(cause: unknown): Fault {
  if (cause instanceof Fault) return cause
  return new Fault(
    'database.unavailable',
    { reason: cause instanceof Error ? cause.message : String(cause) },
    { cause },
  )
}
