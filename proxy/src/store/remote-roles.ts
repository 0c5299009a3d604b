import { Fault } from '@ostler/contract/fault.ts'
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import type pg from 'pg'
import { JOIN_ROLE } from '../model/invitation.ts'
import { ROLES } from './bootstrap.ts'
import type { DatabaseAddress } from './open.ts'
import { withClient } from './single-client.ts'

const TASK = 'ostler set-up'
/** PostgreSQL's codes: no right to do this, this is there already. */
const [DENIED, TAKEN] = ['42501', '42710']

/** A server of the administrator's, and what the processes of a node are there. */
export interface RemoteServer {
  /** Who makes roles and the database; its `database` is that of Ostler. */
  readonly setup: DatabaseAddress
  /** Password of each role. */
  readonly passwords: Readonly<Record<string, string>>
}

/**
 * Makes the roles and the database at a server, where they are not there. When every role gets in, the name that may make
 * them is not used at all: it may be taken its rights away, or its password changed, once they are there.
 *
 * @throws Fault `database.foreign` when the database is QVD's: nothing was changed then; `database.rights` when that name may
 * not make them; `database.unavailable`.
 */
export async function prepareServer({ setup, passwords }: RemoteServer): Promise<void> {
  const getsIn = await Promise.all(
    Object.values(ROLES).map((user) => canConnect({ ...setup, user, password: () => passwords[user] ?? '' })),
  )
  if (getsIn.every(Boolean)) return
  try {
    await refuseForeign(setup)
    await withClient({ ...setup, database: 'postgres' }, TASK, async (client) => {
      for (const role of Object.values(ROLES)) await makeRole(client, role, passwords[role] ?? '')
      await makeDatabase(client, setup.database)
    })
  } catch (cause) {
    throw faultOf(cause, setup)
  }
}

/**
 * Makes the role that takes invitations, unless it gets in already.
 * @throws Fault `database.rights`, `database.unavailable`.
 */
export async function prepareJoinRole(setup: DatabaseAddress, password: string): Promise<void> {
  if (await canConnect({ ...setup, user: JOIN_ROLE, password: () => password })) return
  try {
    await withClient({ ...setup, database: 'postgres' }, TASK, (client) =>
      makeRole(client, JOIN_ROLE, password),
    )
  } catch (cause) {
    throw faultOf(cause, setup)
  }
}

async function makeRole(client: pg.Client, role: string, password: string): Promise<void> {
  const name = client.escapeIdentifier(role)
  // What the server may log of it is no password.
  const secret = client.escapeLiteral(scramVerifier(password))
  try {
    await client.query(`CREATE ROLE ${name} LOGIN PASSWORD ${secret}`)
  } catch (error) {
    if (codeOf(error) !== TAKEN) throw error
    await client.query(`ALTER ROLE ${name} LOGIN PASSWORD ${secret}`)
  }
}

async function makeDatabase(client: pg.Client, database: string): Promise<void> {
  const owner = client.escapeIdentifier(ROLES.hkd)
  const name = client.escapeIdentifier(database)
  const known = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database])
  if ((known.rowCount ?? 0) > 0)
    return void (await client.query(`GRANT CREATE ON DATABASE ${name} TO ${owner}`))
  const { rows } = await client.query<{ rolsuper: boolean }>(
    'SELECT rolsuper FROM pg_roles WHERE rolname = current_user',
  )
  // Who is no superuser gives away only what she could be herself.
  if (rows[0]?.rolsuper !== true) await client.query(`GRANT ${owner} TO CURRENT_USER`)
  await client.query(`CREATE DATABASE ${name} OWNER ${owner}`)
}

/** QVD keeps its tables in `public`: not even a role is made beside them. */
async function refuseForeign(setup: DatabaseAddress): Promise<void> {
  const find = async (client: pg.Client): Promise<number> => {
    const { rowCount } = await client.query(`SELECT 1 FROM pg_tables
      WHERE schemaname = 'public' AND tablename IN ('vm_runtimes', 'host_runtimes', 'vms')`)
    return rowCount ?? 0
  }
  // There may be no database of that name yet.
  const isThere = (error: unknown): number => {
    if (codeOf(error) === '3D000') return 0
    throw error
  }
  if ((await withClient(setup, TASK, find).catch(isThere)) > 0)
    throw new Fault('database.foreign', { database: setup.database })
}

async function canConnect(address: DatabaseAddress): Promise<boolean> {
  return await withClient(address, TASK, (client) => client.query('SELECT 1')).then(
    () => true,
    () => false,
  )
}

const ROUNDS = 4096

/** What PostgreSQL keeps of a password (RFC 5803). */
function scramVerifier(password: string): string {
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(password, salt, ROUNDS, 32, 'sha256')
  const key = (name: string): Buffer => createHmac('sha256', salted).update(name).digest()
  const stored = createHash('sha256').update(key('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${ROUNDS}:${salt.toString('base64')}$${stored}:${key('Server Key').toString('base64')}`
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code
}

function faultOf(cause: unknown, { host, port, user, database }: DatabaseAddress): Fault {
  if (cause instanceof Fault) return cause
  const said = cause instanceof Error ? cause.message : String(cause)
  if (codeOf(cause) === DENIED)
    return new Fault('database.rights', { user, host, database, reason: said }, { cause })
  return new Fault('database.unavailable', { reason: `${host}:${port}: ${said}` }, { cause })
}
