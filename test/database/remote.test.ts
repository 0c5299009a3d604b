import { Fault } from '@ostler/contract/fault.ts'
import { type Log, silentLog } from '@ostler/kit/log.ts'
import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { readConfiguration } from '@ostler/proxy/store/configuration.ts'
import { type Db, openDatabase } from '@ostler/proxy/store/open.ts'
import { databaseAddress } from '@ostler/proxy/wiring/node-parts.ts'
import { sql } from 'kysely'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareNode, makeBareNode } from '../fixtures/bare-node.ts'
import { startCluster } from '../fixtures/database.ts'

/** A server of an administrator's: TCP, passwords, TLS if it is wanted; one name that may make roles and databases. */
const scope = new Scope()
const folder = mkdtempSync(join(tmpdir(), 'ostler-remote-'))
const secret = join(folder, 'secret')
let port = 0
let socket = ''
const certificate = join(folder, 'certificate.pem')

beforeAll(async () => {
  writeFileSync(secret, 'long enough\n', { mode: 0o600 })
  port = await freePort()
  const key = join(folder, 'key.pem')
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'],
    ...['-keyout', key, '-out', certificate, '-subj', '/CN=server', '-addext', 'subjectAltName=IP:127.0.0.1'],
  ])
  socket = await startCluster(scope, {
    prepare: (data, { uid, gid }) => {
      writeFileSync(
        join(data, 'pg_hba.conf'),
        'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
      )
      for (const [from, name] of [
        [key, 'server.key'],
        [certificate, 'server.crt'],
      ] as const) {
        copyFileSync(from, join(data, name))
        chownSync(join(data, name), uid, gid)
        chmodSync(join(data, name), 0o600)
      }
    },
    settings: ['listen_addresses=127.0.0.1', `port=${port}`, 'ssl=on'],
  })
  await superuser(`CREATE ROLE setup LOGIN CREATEROLE CREATEDB PASSWORD 'long enough'`)
  await superuser(`CREATE ROLE weak LOGIN PASSWORD 'long enough'`)
})
afterAll(async () => {
  await scope.close()
  rmSync(folder, { recursive: true, force: true })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function superuser(statement: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ host: socket, port, user: 'postgres', database })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows
  } finally {
    await client.end()
  }
}

/** The key of the first node, which every other one has: the certificate authority in the database is sealed under it. */
const nodeKey = join(folder, 'node.key')

function node(settings: Record<string, string> = {}): BareNode {
  const made = makeBareNode({
    'database.host': '127.0.0.1',
    'database.port': String(port),
    'database.user': 'setup',
    'database.password_file': secret,
    ...settings,
  })
  mkdirSync(join(made.folder, 'state'), { mode: 0o755 })
  if (existsSync(nodeKey)) copyFileSync(nodeKey, join(made.folder, 'state/node.key'))
  return made
}

async function faultOf(attempt: Promise<unknown>): Promise<Fault> {
  const error: unknown = await attempt.catch((reason: unknown) => reason)
  if (!(error instanceof Fault)) throw new Error('it did not end with a fault', { cause: error })
  return error
}

const me = async (db: Db): Promise<unknown> =>
  (await sql`SELECT current_user AS name, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`.execute(db))
    .rows[0]

test('hkd makes the roles and the database there, and each process gets in as its role with its own password', async () => {
  await using here = node()
  const db = await here.up()
  copyFileSync(join(here.folder, 'state/node.key'), nodeKey)
  expect(await me(db)).toEqual({ name: 'ostler_hkd', ssl: false })
  for (const [role, user] of [
    ['ostler_l7r', 'daemon'],
    ['ostler_api', 'games'],
  ] as const) {
    const file = join(here.folder, `run/database/${role}.password`)
    expect(statSync(file).mode & 0o777).toBe(0o400)
    expect([statSync(file).uid !== 0, here.users[user === 'daemon' ? 'door' : 'api']]).toEqual([true, user])
    const own = openDatabase(databaseAddress(here.config, role), silentLog)
    expect(await me(own)).toMatchObject({ name: role })
    expect(await readConfiguration(own, undefined)).toEqual({})
    await own.destroy()
  }
  const [l7r, api] = ['l7r', 'api'].map((role) =>
    readFileSync(join(here.folder, `run/database/ostler_${role}.password`), 'utf8'),
  )
  expect(l7r).not.toBe(api)
  const kept = await superuser(
    `SELECT rolpassword LIKE 'SCRAM-SHA-256$%' AS scram FROM pg_authid WHERE rolname = 'ostler_l7r'`,
  )
  expect(kept).toEqual([{ scram: true }])
})

test('there is no private PostgreSQL, and no backup of a server that is not ours', async () => {
  await using here = node()
  await here.up()
  expect(() => statSync(here.data)).toThrow(/ENOENT/)
  expect((await faultOf(here.restore('/nowhere'))).code).toBe('backup.elsewhere')
})

test('once the roles are there, the name that made them needs no rights any more', async () => {
  await superuser('ALTER ROLE setup NOCREATEROLE NOCREATEDB NOLOGIN')
  try {
    await using here = node()
    expect(await me(await here.up())).toMatchObject({ name: 'ostler_hkd' })
  } finally {
    await superuser('ALTER ROLE setup CREATEROLE CREATEDB LOGIN')
  }
})

test('TLS with a certificate that is looked at; where nobody trusts it nobody gets in', async () => {
  const tls = { 'database.sslmode': 'verify-full' }
  await using here = node({ ...tls, 'database.sslrootcert': certificate })
  expect(await me(await here.up())).toEqual({ name: 'ostler_hkd', ssl: true })
  await using strict = node(tls)
  expect((await faultOf(strict.up())).message).toMatch(/does not answer: 127.0.0.1:\d+: .*certificate/)
  await using trusting = node({ 'database.sslmode': 'require' })
  expect(await me(await trusting.up())).toMatchObject({ ssl: true })
})

test("QVD's own database is refused, and not even a role is made", async () => {
  await superuser('CREATE DATABASE qvd OWNER setup')
  await superuser('CREATE TABLE public.vm_runtimes (id int)', 'qvd')
  await superuser('GRANT CONNECT ON DATABASE qvd TO setup')
  const other = join(folder, 'other')
  writeFileSync(other, 'long enough', { mode: 0o600 })
  const roles = (): Promise<unknown> => superuser('SELECT rolname, rolpassword FROM pg_authid ORDER BY 1')
  const before = await roles()
  await using here = node({ 'database.name': 'qvd', 'database.password_file': other })
  expect((await faultOf(here.up())).code).toBe('database.foreign')
  expect(await roles()).toEqual(before)
})

test('a name that may not make roles: it says which rights, and a wrong password says so', async () => {
  await superuser(`ALTER ROLE setup PASSWORD 'another one'`)
  const other = join(folder, 'wrong')
  writeFileSync(other, 'no', { mode: 0o600 })
  await using wrong = node({ 'database.password_file': other })
  expect((await faultOf(wrong.up())).message).toMatch(/password authentication failed/)
  await superuser('ALTER ROLE ostler_l7r NOLOGIN')
  await using weak = node({ 'database.user': 'weak' })
  const fault = await faultOf(weak.up())
  expect([fault.code, fault.message]).toEqual(['database.rights', expect.stringMatching(/weak may not make/)])
})

test("QVD's keys are enough; a password that others may read is refused, and so is none", async () => {
  await using none = node({ 'database.password_file': '' })
  expect((await faultOf(none.up())).message).toMatch(/must be set where database.host is/)
  const open = join(folder, 'open')
  writeFileSync(open, 'x', { mode: 0o644 })
  await using readable = node({ 'database.password_file': open })
  expect((await faultOf(readable.up())).message).toMatch(/must be its owner's alone/)
  await superuser('ALTER ROLE ostler_l7r LOGIN')
  await superuser(`ALTER ROLE setup PASSWORD 'long enough'`)
  await using qvd = node({ 'database.password_file': '', 'database.password': 'long enough' })
  const said: string[] = []
  const log: Log = { ...silentLog, warn: (message) => void said.push(message) }
  expect(await me(await qvd.up(log))).toMatchObject({ name: 'ostler_hkd' })
  expect(said).toEqual([])
  expect(JSON.stringify(qvd.config)).not.toContain('long enough')
})
