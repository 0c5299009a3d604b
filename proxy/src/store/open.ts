import type { Log } from '@ostler/kit/log.ts'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import type { Database } from './schema.ts'

/** Where a database is. */
export interface DatabaseAddress {
  /** A folder with a unix socket, or a host. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

export type Db = Kysely<Database>

const CONNECT_MS = 5_000
const STATEMENT_MS = 30_000

/** Opens a pool; connections are made when needed and replaced when they break. */
export function openDatabase(address: DatabaseAddress, log: Log): Db {
  const pool = new pg.Pool({
    ...address,
    max: 8,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    // A server that went away without a word never says that the time is over.
    query_timeout: STATEMENT_MS + CONNECT_MS,
    application_name: 'ostler',
    // Every statement is written for it; another default, such as QVD's set-up makes, would let single ones collide.
    options: '-c default_transaction_isolation=read\\ committed',
  })
  // An idle connection that breaks would otherwise end the process.
  const lost = (error: Error): void => log.warn('database connection lost', { error })
  pool.on('error', lost)
  // The pool does not listen while a connection is in use; the query that breaks is rejected besides.
  pool.on('connect', (client) => client.on('error', lost))
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) }).withSchema('ostler')
}
