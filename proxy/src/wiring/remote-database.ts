import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { createHmac } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { JOIN_ROLE } from '../model/invitation.ts'
import { ROLES } from '../store/bootstrap.ts'
import type { DatabaseAddress } from '../store/open.ts'
import { prepareServer } from '../store/remote-roles.ts'
import type { NodeValues } from './node-config.ts'

/** Says whether the database is at a server of the administrator's. */
export function isRemote(config: NodeValues): boolean {
  return config['database.host'] !== ''
}

/**
 * Where the database is for one role, at a server of the administrator's. Its password lies where hkd has left it.
 * @param ca certificates that the server is trusted by, PEM, in place of those of the configuration.
 */
export function remoteAddress(config: NodeValues, role: string, ca?: string): DatabaseAddress {
  return {
    ...placeOf(config, ca),
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
  const { host } = placeOf(config)
  if (config['database.sslmode'] === 'disable' && !/^(127\.|localhost$|::1$|\/)/.test(host))
    log.warn('the way to the database is not encrypted: database.sslmode', { host })
  const passwords = rolePasswords(config)
  // A node that has joined finds the roles made, and knows no name that could make them.
  if (!existsSync(joinedPasswordsFile(config)))
    await prepareServer({ setup: setupAddress(config), passwords })
  const folder = join(config['path.run'], 'database')
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  chmodSync(folder, 0o755)
  for (const [role, owner] of [
    [ROLES.hkd, { uid: 0, gid: 0 }],
    [ROLES.l7r, door],
    [ROLES.api, api],
  ] as const)
    writeWhole(passwordFile(config, role), passwords[role] ?? '', { mode: 0o400, owner })
}

/** What a node that has joined was given: passwords of the roles. Root's alone. */
export function joinedPasswordsFile(config: NodeValues): string {
  return join(config['path.state'], 'database.json')
}

/** The name that makes roles and the database. @throws Fault `config.invalid` when there is no password for it. */
export function setupAddress(config: NodeValues): DatabaseAddress {
  const secret = setupPassword(config)
  return { ...placeOf(config), user: config['database.user'], password: () => secret }
}

/**
 * The password of each role: as this node was given it when it joined, else what follows from the setup's.
 * @throws Fault `config.invalid`.
 */
export function rolePasswords(config: NodeValues): Readonly<Record<string, string>> {
  const file = joinedPasswordsFile(config)
  if (existsSync(file)) return givenPasswords(file)
  const secret = setupPassword(config)
  const derive = (role: string): string =>
    createHmac('sha256', secret).update(`ostler role ${role}`).digest('base64url')
  return Object.fromEntries([...Object.values(ROLES), JOIN_ROLE].map((role) => [role, derive(role)]))
}

function givenPasswords(file: string): Readonly<Record<string, string>> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
  } catch (cause) {
    throw invalid(`${file} is damaged: have this node invited again, and remove what it was given`, cause)
  }
}

function placeOf(config: NodeValues, ca?: string): Omit<DatabaseAddress, 'user'> {
  const ssl = tlsOf(config, ca)
  return {
    host: config['database.host'],
    port: config['database.port'],
    database: config['database.name'],
    ...(ssl === undefined ? {} : { ssl }),
  }
}

function tlsOf(config: NodeValues, ca?: string): ConnectionOptions | undefined {
  const mode = config['database.sslmode']
  if (mode === 'disable') return undefined
  if (mode === 'require') return { rejectUnauthorized: false }
  const file = config['database.sslrootcert']
  const host = config['database.host']
  return {
    rejectUnauthorized: true,
    // An address is compared with those of the certificate, and is no name to be asked for.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
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
