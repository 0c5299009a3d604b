import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { createHmac } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { ROLES } from '../store/bootstrap.ts'
import type { DatabaseAddress } from '../store/open.ts'
import { prepareServer } from '../store/remote-roles.ts'
import type { NodeValues } from './node-config.ts'

/** Says whether the database is at a server of the administrator's. */
export function isRemote(config: NodeValues): boolean {
  return config['database.host'] !== ''
}

/** Where the database is for one role, at a server of the administrator's. Its password lies where hkd has left it. */
export function remoteAddress(config: NodeValues, role: string): DatabaseAddress {
  return {
    ...placeOf(config),
    user: role,
    password: () => {
      const file = passwordFile(config, role)
      try {
        return readFileSync(file, 'utf8')
      } catch (cause) {
        throw new Fault('database.unavailable', { reason: `${file} is not there: hkd makes it` }, { cause })
      }
    },
  }
}

/**
 * Makes roles and database at the server of the administrator's where they are not there yet, and leaves each process its
 * password. All nodes with the same `database.password` find the same ones, and no process gets another one's.
 *
 * @throws Fault `config.invalid`, `database.foreign`, `database.rights`, `database.unavailable`.
 */
export async function prepareRemote(
  config: NodeValues,
  { door, api }: { readonly door: Account; readonly api: Account },
  log: Log,
): Promise<void> {
  const secret = setupPassword(config)
  const { host } = placeOf(config)
  if (config['database.sslmode'] === 'disable' && !/^(127\.|localhost$|::1$|\/)/.test(host))
    log.warn('the way to the database is not encrypted: database.sslmode', { host })
  const derive = (role: string): string =>
    createHmac('sha256', secret).update(`ostler role ${role}`).digest('base64url')
  const passwords = Object.fromEntries(Object.values(ROLES).map((role) => [role, derive(role)]))
  const setup = { ...placeOf(config), user: config['database.user'], password: () => secret }
  await prepareServer({ setup, passwords })
  const folder = join(config['path.run'], 'database')
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  chmodSync(folder, 0o755)
  for (const [role, owner] of [
    [ROLES.hkd, { uid: 0, gid: 0 }],
    [ROLES.l7r, door],
    [ROLES.api, api],
  ] as const)
    writeWhole(passwordFile(config, role), derive(role), { mode: 0o400, owner })
}

function placeOf(config: NodeValues): Omit<DatabaseAddress, 'user'> {
  const ssl = tlsOf(config)
  return {
    host: config['database.host'],
    port: config['database.port'],
    database: config['database.name'],
    ...(ssl === undefined ? {} : { ssl }),
  }
}

function tlsOf(config: NodeValues): ConnectionOptions | undefined {
  const mode = config['database.sslmode']
  if (mode === 'disable') return undefined
  if (mode === 'require') return { rejectUnauthorized: false }
  const file = config['database.sslrootcert']
  const host = config['database.host']
  return {
    rejectUnauthorized: true,
    // An address is compared with those of the certificate, and is no name to be asked for.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(file === undefined ? {} : { ca: readCertificates(file) }),
  }
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw invalid(`database.sslrootcert: ${(cause as Error).message}`, cause)
  }
}

/** @throws Fault `config.invalid` when there is none, or everybody on the node may read its file. */
function setupPassword(config: NodeValues): string {
  const file = config['database.password_file']
  if (file === undefined) {
    const password = config['database.password'].reveal()
    if (password === '')
      throw invalid('database.password_file, or database.password, must be set where database.host is')
    return password
  }
  try {
    if ((statSync(file).mode & 0o077) !== 0)
      throw invalid(`database.password_file: ${file} must be its owner's alone: chmod 0600`)
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    throw cause instanceof Fault
      ? cause
      : invalid(`database.password_file: ${(cause as Error).message}`, cause)
  }
}

function passwordFile(config: NodeValues, role: string): string {
  return join(config['path.run'], 'database', `${role}.password`)
}

function invalid(problems: string, cause?: unknown): Fault {
  return new Fault('config.invalid', { problems }, { cause })
}
