import { Fault } from '@ostler/contract/fault.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { openTrust } from '@ostler/proxy/hkd/trust.ts'
import { cgroupLayout } from '@ostler/proxy/hypervisor/lxc/cgroup.ts'
import { formatInvitation, JOIN_ROLE, parseInvitation } from '@ostler/proxy/model/invitation.ts'
import { readAuthority } from '@ostler/proxy/store/authority.ts'
import { addHost } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { inviteNode, joinNode } from '@ostler/proxy/wiring/joining.ts'
import { loadNodeConfig } from '@ostler/proxy/wiring/node-config.ts'
import { openNodeDatabase } from '@ostler/proxy/wiring/node-database.ts'
import { nodeKeyFile } from '@ostler/proxy/wiring/node-parts.ts'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareNode, makeBareNode } from '../fixtures/bare-node.ts'
import { startCluster } from '../fixtures/database.ts'

/** One server of an administrator's, one node that is there, and machines that are to become nodes. */
const scope = new Scope()
const folder = mkdtempSync(join(tmpdir(), 'ostler-joining-'))
const SETUP = 'set it up'
let port = 0
let first: BareNode
let db: Db

beforeAll(async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  port = (server.address() as AddressInfo).port
  await new Promise((resolve) => server.close(resolve))
  const socket = await startCluster(scope, {
    prepare: (data) =>
      writeFileSync(
        join(data, 'pg_hba.conf'),
        'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
      ),
    settings: ['listen_addresses=127.0.0.1', `port=${port}`],
  })
  const superuser = new pg.Client({ host: socket, port, user: 'postgres', database: 'postgres' })
  await superuser.connect()
  await superuser.query(`CREATE ROLE setup LOGIN CREATEROLE CREATEDB PASSWORD '${SETUP}'`)
  await superuser.end()
  const secret = join(folder, 'secret')
  writeFileSync(secret, SETUP, { mode: 0o600 })
  first = makeBareNode({
    nodename: 'first',
    'database.host': '127.0.0.1',
    'database.port': String(port),
    'database.user': 'setup',
    'database.password_file': secret,
  })
  scope.own(first)
  db = await first.up()
})
afterAll(async () => {
  await scope.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A machine with a configuration that names it and says nothing of a database. */
function machine(nodename: string): BareNode {
  const made = makeBareNode({ nodename })
  scope.own(made)
  return made
}

const invite = async (name: string): Promise<string> => {
  await addHost(db, name)
  return await inviteNode(first.config, name, silentLog)
}
const joins = (node: BareNode, word: string): Promise<void> =>
  joinNode(join(node.folder, 'node.conf'), word, silentLog)
const isBlocked = async (name: string): Promise<boolean> =>
  (await db.selectFrom('host').select('blocked').where('name', '=', name).executeTakeFirstOrThrow()).blocked

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const error: unknown = await attempt.catch((reason: unknown) => reason)
  if (!(error instanceof Fault)) throw new Error('it did not end with a fault', { cause: error })
  return error.code
}

test('an invited machine becomes a node: same authority, its own passwords, no way to make roles', async () => {
  const word = await invite('second')
  expect(await isBlocked('second')).toBe(true)
  const second = machine('second')
  await joins(second, word)
  expect(await isBlocked('second')).toBe(false)
  const config = loadNodeConfig(join(second.folder, 'node.conf')).values
  const cgroups = cgroupLayout()
  if (cgroups === undefined) throw new Error('this test needs control groups')
  await using opened = new Scope()
  const own = (await openNodeDatabase(config, cgroups, silentLog, opened)).db
  const trust = await openTrust(own, nodeKeyFile(config))
  expect(trust.own.authority).toBe((await readAuthority(db))?.certificate)
  for (const file of [nodeKeyFile(config), join(config['path.state'], 'database.json')])
    expect(statSync(file).mode & 0o777).toBe(0o600)
  const text = ['node.conf', 'state/database.json'].map((name) =>
    readFileSync(join(second.folder, name), 'utf8'),
  )
  expect(text.join('')).not.toContain(SETUP)
})

test('an invitation is good once, for the node that it names, and a machine that is a node takes none', async () => {
  const word = await invite('third')
  const [third, other] = [machine('third'), machine('other')]
  expect(await codeOf(joins(other, word))).toBe('join.invalid')
  expect(existsSync(join(other.folder, 'state/node.key'))).toBe(false)
  await joins(third, word)
  expect(await codeOf(joins(third, word))).toBe('join.done')
  expect(await codeOf(joins(machine('third'), word))).toBe('join.invalid')
})

test('a newer invitation ends an older one; one whose day is over, or that was altered, is none', async () => {
  const old = await invite('fourth')
  const word = await inviteNode(first.config, 'fourth', silentLog)
  expect(await codeOf(joins(machine('fourth'), old))).toBe('join.invalid')
  const altered = formatInvitation({ ...parseInvitation(word), secret: parseInvitation(old).secret })
  expect(await codeOf(joins(machine('fourth'), altered))).toBe('join.invalid')
  await db
    .updateTable('host_invitation')
    .set({ expires_at: new Date(Date.now() - 1_000) })
    .execute()
  expect(await codeOf(joins(machine('fourth'), word))).toBe('join.invalid')
  expect(await codeOf(joins(machine('fourth'), 'nonsense'))).toBe('join.invalid')
  expect(await isBlocked('fourth')).toBe(true)
})

test('who has an invitation can take it from the database, and nothing else', async () => {
  const { password, secret } = parseInvitation(await invite('fifth'))
  const client = new pg.Client({ host: '127.0.0.1', port, user: JOIN_ROLE, password, database: 'ostler' })
  await client.connect()
  for (const table of ['host', 'host_invitation', 'authority', 'users'])
    await expect(client.query(`SELECT * FROM ostler.${table}`)).rejects.toThrow('permission denied')
  await client.end()
  const rows = await db.selectFrom('host_invitation').selectAll().execute()
  const kept = JSON.stringify(rows.map((row) => ({ ...row, digest: row.digest.toString('base64url') })))
  expect(kept).not.toContain(secret)
  expect(kept).not.toContain(readFileSync(nodeKeyFile(first.config), 'utf8').trim())
})

test('a node with a database of its own invites nobody, and nobody is invited whom no administrator has added', async () => {
  expect(await codeOf(inviteNode(machine('alone').config, 'x', silentLog))).toBe('join.private')
  expect(await codeOf(inviteNode(first.config, 'nobody', silentLog))).toBe('object.unknown')
})
