import { causedBy } from '@ostler/kit/log/cause.ts'
import type { Log } from '@ostler/kit/log.ts'
import { Kysely, PostgresDialect } from 'kysely'
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import { PreparingClient } from './prepared.ts'
import type { Database } from './schema.ts'

/** Where a database is. */
export interface DatabaseAddress {
  /** A folder with a unix socket, or a host. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  /** Asked for each connection; a unix socket needs none. */
  readonly password?: () => string
  /** How TLS is spoken; none: it is not. */
  readonly ssl?: ConnectionOptions
}

export type Db = Kysely<Database>

/** What the connections of a database are doing now. */
export interface PoolUse {
  readonly used: number
  readonly idle: number
  /** Queries that wait for a connection. */
  readonly waiting: number
}

const CONNECT_MS = 5_000
const STATEMENT_MS = 30_000

/** Opens a pool; connections are made when needed and replaced when they break. */
export function openDatabase(address: DatabaseAddress, log: Log): Db {
  const pool = new pg.Pool({
    ...address,
    Client: PreparingClient,
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
  // It is nobody's: for whom it was opened says nothing about why it broke.
  const lost = (error: Error): void =>
    causedBy(undefined, () => log.warn('database connection lost', { error }))
  pool.on('error', lost)
  // The pool does not listen while a connection is in use; the query that breaks is rejected besides.
  pool.on('connect', (client) => client.on('error', lost))
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) }).withSchema('ostler')
  pools.set(db, pool)
  return db
}

const pools = new WeakMap<Db, pg.Pool>()

/** How a database that `openDatabase` has opened is used now. */
export function poolUse(db: Db): PoolUse {
  const { totalCount = 0, idleCount = 0, waitingCount = 0 } = pools.get(db) ?? {}
  return { used: totalCount - idleCount, idle: idleCount, waiting: waitingCount }
}
