import { Fault } from '@ostler/contract/fault.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { openTrust } from '@ostler/proxy/hkd/trust.ts'
import { cgroupLayout } from '@ostler/proxy/hypervisor/lxc/cgroup.ts'
import { addHost } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { moveDatabase, sayMoved } from '@ostler/proxy/wiring/move.ts'
import { loadNodeConfig } from '@ostler/proxy/wiring/node-config.ts'
import { openNodeDatabase } from '@ostler/proxy/wiring/node-database.ts'
import { nodeKeyFile } from '@ostler/proxy/wiring/node-parts.ts'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareNode, makeBareNode } from '../fixtures/bare-node.ts'
import { startCluster } from '../fixtures/database.ts'

/** One server of an administrator's, which writes times in its own way, and nodes that move to it. */
const scope = new Scope()
const folder = mkdtempSync(join(tmpdir(), 'ostler-move-'))
const SETUP = 'set it up'
let port = 0
let socket = ''

beforeAll(async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  port = (server.address() as AddressInfo).port
  await new Promise((resolve) => server.close(resolve))
  socket = await startCluster(scope, {
    prepare: (data) =>
      writeFileSync(
        join(data, 'pg_hba.conf'),
        'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n',
      ),
    settings: [
      ...['listen_addresses=127.0.0.1', `port=${port}`],
      ...['timezone=Asia/Kathmandu', 'datestyle=German', 'bytea_output=escape'],
    ],
  })
  await atServer(`CREATE ROLE setup LOGIN CREATEROLE CREATEDB PASSWORD '${SETUP}'`)
})
afterAll(async () => {
  await scope.close()
  rmSync(folder, { recursive: true, force: true })
})

async function atServer(statement: string, database = 'postgres'): Promise<pg.QueryResult> {
  const client = new pg.Client({ host: socket, port, user: 'postgres', database })
  await client.connect()
  try {
    return await client.query(statement)
  } finally {
    await client.end()
  }
}

/** A file with the lines for a database of that name at the server. */
function linesFor(database: string, more: Readonly<Record<string, string>> = {}): string {
  const secret = join(folder, 'secret')
  writeFileSync(secret, SETUP, { mode: 0o600 })
  const file = join(folder, `${database}.conf`)
  const lines = {
    'database.host': '127.0.0.1',
    'database.port': String(port),
    'database.name': database,
    'database.user': 'setup',
    'database.password_file': secret,
    ...more,
  }
  writeFileSync(
    file,
    Object.entries(lines)
      .map(([key, value]) => `${key} = ${value}\n`)
      .join(''),
  )
  return file
}

const confOf = (node: BareNode): string => join(node.folder, 'node.conf')
const moves = (node: BareNode, lines: string): ReturnType<typeof moveDatabase> =>
  moveDatabase(confOf(node), lines, silentLog)
const namesOf = async (db: Db): Promise<string[]> =>
  (await db.selectFrom('host').select('name').orderBy('id').execute()).map(({ name }) => name)

/** Writes one row after the other until it is told to stop; what was refused is not counted. */
function writeOn(db: Db): { stop(): Promise<string[]>; readonly written: readonly string[] } {
  const written: string[] = []
  const told = new AbortController()
  const done = (async () => {
    for (let number = 0; !told.signal.aborted; number++) {
      const name = `node${number}`
      await addHost(db, name).then(
        () => written.push(name),
        async () => await new Promise((resolve) => setTimeout(resolve, 20)),
      )
    }
  })()
  return {
    written,
    stop: async () => {
      told.abort()
      await done
      return written
    },
  }
}

async function faultOf(attempt: Promise<unknown>): Promise<Fault> {
  const error: unknown = await attempt.catch((reason: unknown) => reason)
  if (!(error instanceof Fault)) throw new Error('it did not end with a fault', { cause: error })
  return error
}

test('a database that is written to moves with everything that was committed, and no more is written to the old one', async () => {
  await using node = makeBareNode()
  const db = await node.up()
  const writer = writeOn(db)
  expect(await comesToHold(() => writer.written.length > 20, 30_000, 50)).toBe(true)
  const moved = await moves(node, linesFor('moved'))
  const written = await writer.stop()
  expect(moved).toMatchObject({ tables: expect.any(Number) as number, rows: expect.any(Number) as number })
  console.log(sayMoved(moved))
  expect(sayMoved(moved)).toMatch(
    /^\d+ tables with \d+ rows were moved and compared; nothing could be written/,
  )

  const config = loadNodeConfig(confOf(node)).values
  expect(config).toMatchObject({ 'database.host': '127.0.0.1', 'database.name': 'moved' })
  const cgroups = cgroupLayout()
  if (cgroups === undefined) throw new Error('this test needs control groups')
  await using opened = new Scope()
  const there = (await openNodeDatabase(config, cgroups, silentLog, opened)).db
  expect(await namesOf(there)).toEqual(written)
  expect((await openTrust(there, nodeKeyFile(config))).own.authority).toContain('BEGIN CERTIFICATE')
  await addHost(there, 'after')
  expect((await node.sql('SELECT count(*)::int AS count FROM ostler.host')).rows).toEqual([
    { count: written.length },
  ])
  expect((await faultOf(moves(node, linesFor('moved')))).code).toBe('move.elsewhere')
  expect(
    existsSync(join(node.folder, 'state/backup')) && readdirSync(join(node.folder, 'state/backup')),
  ).toEqual([])
})

test.each([
  ['a database that has tables of ours', 'taken', 'move.notEmpty', {}],
  ['a server that is not there', 'nowhere', 'database.unavailable', { 'database.port': '9' }],
  ['lines without a server', 'nothing', 'config.invalid', { 'database.host': '' }],
  ['a server that refuses in the middle', 'refusing', 'move.failed', {}],
])('%s: the node goes on with its own', async (_, database, code, more) => {
  if (database === 'taken') {
    await atServer('CREATE DATABASE taken')
    await atServer('CREATE SCHEMA ostler; CREATE TABLE ostler.host (id int)', 'taken')
    await atServer('GRANT USAGE ON SCHEMA ostler TO PUBLIC; GRANT SELECT ON ostler.host TO PUBLIC', 'taken')
  }
  if (database === 'refusing') {
    await atServer('CREATE DATABASE refusing OWNER ostler_hkd')
    await atServer(
      `CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE EXCEPTION 'not on a Sunday'; END $$;
       CREATE EVENT TRIGGER refuse ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION refuse()`,
      'refusing',
    )
  }
  await using node = makeBareNode()
  const db = await node.up()
  await addHost(db, 'before')
  const text = readFileSync(confOf(node), 'utf8')
  const fault = await faultOf(moves(node, linesFor(database, more)))
  expect([fault.code, fault.message]).toEqual([code, expect.any(String) as string])
  if (code === 'move.failed') expect(fault.message).toContain('not on a Sunday')
  expect(readFileSync(confOf(node), 'utf8')).toBe(text)
  expect(readdirSync(node.folder).filter((name) => name.includes('moved'))).toEqual([])
  await addHost(db, 'after')
  expect(await namesOf(db)).toEqual(['before', 'after'])
})

test('killed in the middle, a node opens its own database again when hkd starts', async () => {
  await using node = makeBareNode()
  await node.up()
  await node.sql(
    'ALTER ROLE ostler_hkd NOLOGIN; ALTER ROLE ostler_l7r NOLOGIN; ALTER ROLE ostler_api NOLOGIN',
  )
  await node.down()
  const db = await node.up()
  await addHost(db, 'again')
  const { rows } = await node.sql(
    `SELECT rolname FROM pg_roles WHERE rolname LIKE 'ostler%' AND NOT rolcanlogin`,
  )
  expect(rows).toEqual([])
})
