import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { openWith, sealWith } from '@ostler/kit/sealed-box.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { opensAuthority } from '../hkd/trust.ts'
import {
  formatInvitation,
  type Invitation,
  invitationDigest,
  invitationKey,
  joinedSecrets,
  type JoinedSecrets,
  JOIN_ROLE,
  parseInvitation,
} from '../model/invitation.ts'
import { ROLES } from '../store/bootstrap.ts'
import { confirmLost } from '../store/host-service.ts'
import { addInvitation, admitHost, takeInvitation } from '../store/invitations.ts'
import { type Db, openDatabase } from '../store/open.ts'
import { prepareJoinRole } from '../store/remote-roles.ts'
import { loadNodeConfig, type NodeValues } from './node-config.ts'
import { databaseAddress, nodeKeyFile, requireAccount } from './node-parts.ts'
import { preflight } from './preflight.ts'
import {
  isRemote,
  joinedPasswordsFile,
  prepareRemote,
  remoteAddress,
  rolePasswords,
  setupAddress,
} from './remote-database.ts'

const GOOD_HOURS = 24

/**
 * Invites a node that was made known by `qa host add`. Only root on a node can: what an invitation holds is as good as root on every
 * node, so the api, which anybody may reach, neither makes it nor sees it.
 *
 * @returns one word, which opens it once within a day.
 * @throws Fault `join.private`, `object.unknown`, `node.notRoot`, `database.*`.
 */
export async function inviteNode(config: NodeValues, node: string, log: Log): Promise<string> {
  preflight('ostler-hkd')
  if (!isRemote(config)) throw new Fault('join.private')
  await prepareRemote(config, accountsOf(config), log)
  const passwords = rolePasswords(config)
  await prepareJoinRole(setupAddress(config), passwords[JOIN_ROLE] ?? '')
  const secret = randomBytes(32).toString('base64url')
  await withDatabase(config, async (db) => {
    await requireAuthority(db, config)
    const nodeKey = readFileSync(nodeKeyFile(config), 'utf8').trim()
    const held: JoinedSecrets = { nodeKey, passwords }
    const sealed = sealWith(invitationKey(secret), JSON.stringify(held)).toString('base64')
    await addInvitation(db, { node, digest: invitationDigest(secret), sealed, hours: GOOD_HOURS })
  })
  const file = config['database.sslrootcert']
  return formatInvitation({
    ...{ node, secret, password: passwords[JOIN_ROLE] ?? '' },
    host: config['database.host'],
    port: config['database.port'],
    database: config['database.name'],
    sslmode: config['database.sslmode'],
    ...(file === undefined ? {} : { ca: readFileSync(file, 'utf8') }),
  })
}

/**
 * Makes this machine a node of the installation that has invited it: its key, its way into the database, its configuration. Then it is
 * tried, and takes desktops from its first start on.
 *
 * @param configFile is added to: where the database is.
 * @throws Fault `join.invalid`, `join.done`, `node.*`, `database.*`. A node that fails when it is tried stays blocked.
 */
export async function joinNode(configFile: string, text: string, log: Log): Promise<void> {
  preflight('ostler-hkd')
  const invited = parseInvitation(text)
  const before = loadNodeConfig(configFile).values
  accountsOf(before)
  if (before['nodename'] !== invited.node)
    throw new Fault('join.invalid', {
      reason: `it is for node ${invited.node}, and nodename is ${before['nodename']}`,
    })
  for (const file of [nodeKeyFile(before), join(before['path.database'], 'PG_VERSION')])
    if (existsSync(file)) throw new Fault('join.done', { file })
  const held = await take(before, invited)
  keep(before, configFile, invited, held)
  const config = loadNodeConfig(configFile).values
  await prepareRemote(config, accountsOf(config), log)
  await withDatabase(config, async (db) => {
    await requireAuthority(db, config)
    for (const role of [ROLES.l7r, ROLES.api]) await tryRole(config, role)
    await admitHost(db, invited.node)
  })
}

/**
 * Declares another node lost because an administrator has made sure that it is off.
 * @throws Fault `object.unknown` when there is none of that name that was not lost before; `database.*`.
 */
export async function giveUpNode(config: NodeValues, node: string, log: Log): Promise<void> {
  preflight('ostler-hkd')
  if (node === config['nodename']) throw new Fault('request.invalid', { problem: `${node} is this node` })
  await withDatabase(config, async (db) => {
    const taken = await confirmLost(db, node)
    if (taken === undefined) throw new Fault('object.unknown', { kind: 'host', name: node })
    log.info('a node was declared lost: its desktops start elsewhere', { node, ...taken })
  })
}

async function take(config: NodeValues, invited: Invitation): Promise<JoinedSecrets> {
  const { secret, password } = invited
  const given = placedAt(config, invited)
  const address = { ...remoteAddress(given, JOIN_ROLE, invited.ca), password: () => password }
  const sealed = await takeInvitation(address, invitationDigest(secret))
  if (sealed === undefined) throw new Fault('join.invalid', { reason: 'it was used, or its day is over' })
  try {
    return joinedSecrets.parse(JSON.parse(openWith(invitationKey(secret), Buffer.from(sealed, 'base64'))))
  } catch (cause) {
    throw new Fault('join.invalid', { reason: 'what it holds is not for it' }, { cause })
  }
}

function placedAt(config: NodeValues, { host, port, database, sslmode }: Invitation): NodeValues {
  return {
    ...config,
    'database.host': host,
    'database.port': port,
    'database.name': database,
    'database.sslmode': sslmode,
    'database.sslrootcert': undefined,
  }
}

/** The node key is the last: a machine that has one has joined. */
function keep(config: NodeValues, configFile: string, invited: Invitation, held: JoinedSecrets): void {
  const state = config['path.state']
  mkdirSync(state, { recursive: true, mode: 0o755 })
  const ca = join(state, 'database-ca.pem')
  if (invited.ca !== undefined) writeWhole(ca, invited.ca, { mode: 0o644 })
  writeWhole(joinedPasswordsFile(config), JSON.stringify(held.passwords), { mode: 0o600 })
  const lines = {
    'database.host': invited.host,
    'database.port': invited.port,
    'database.name': invited.database,
    'database.sslmode': invited.sslmode,
    ...(invited.ca === undefined ? {} : { 'database.sslrootcert': ca }),
  }
  const text = Object.entries(lines).map(([key, value]) => `${key} = ${value}\n`)
  appendFileSync(
    configFile,
    `\n# Where the database of this installation is: written when this node joined.\n${text.join('')}`,
  )
  writeWhole(nodeKeyFile(config), held.nodeKey, { mode: 0o600 })
}

async function requireAuthority(db: Db, config: NodeValues): Promise<void> {
  if (!(await opensAuthority(db, nodeKeyFile(config))))
    throw new Fault('join.invalid', {
      reason: 'the key of this node does not open the authority of the installation',
    })
}

async function tryRole(config: NodeValues, role: string): Promise<void> {
  const db = openDatabase(databaseAddress(config, role), silentLog)
  try {
    await db.selectFrom('host').select('id').limit(1).execute()
  } catch (cause) {
    throw new Fault('database.unavailable', { reason: `as ${role}: ${(cause as Error).message}` }, { cause })
  } finally {
    await db.destroy()
  }
}

function accountsOf(config: NodeValues) {
  return { door: requireAccount(config['l7r.as_user']), api: requireAccount(config['api.as_user']) }
}

async function withDatabase(config: NodeValues, use: (db: Db) => Promise<void>): Promise<void> {
  const db = openDatabase(databaseAddress(config, ROLES.hkd), silentLog)
  try {
    await use(db)
  } finally {
    await db.destroy()
  }
}
