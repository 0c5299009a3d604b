import { type Log, silentLog } from '@ostler/kit/log.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { findPostmaster } from '@ostler/proxy/hkd/postmaster.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from 'vitest'
import { type BareNode, makeBareNode } from '../fixtures/bare-node.ts'
import { makeTwoVersions } from '../fixtures/postgres-versions.ts'

/** Both are of the same make, since Debian has one: what is tried here is the step, not what PostgreSQL changes. */
const both = mkdtempSync(join(tmpdir(), 'ostler-postgres-'))
let [older, newer] = [0, 0]
let node: BareNode

beforeAll(() => {
  chmodSync(both, 0o755)
  ;({ older, newer } = makeTwoVersions(both))
})
afterAll(() => rmSync(both, { recursive: true, force: true }))

/** A node whose data are of the older version, since the newer one was not there. */
beforeEach(async () => {
  node = makeBareNode({ 'path.postgresql': both })
  remove()
  await node.up()
  await node.sql(`INSERT INTO ostler.tenant (name) VALUES ('kept')`)
  await node.down()
})
afterEach(async () => {
  install()
  await node[Symbol.asyncDispose]()
})

const place = (): string => join(both, String(newer))
function remove(): void {
  if (existsSync(place())) renameSync(place(), `${both}-away`)
}
function install(): void {
  if (!existsSync(place())) renameSync(`${both}-away`, place())
}

const version = (): number => Number(readFileSync(join(node.data, 'PG_VERSION'), 'utf8'))
const state = (): string[] => readdirSync(join(node.folder, 'state')).toSorted()
const tenants = async (): Promise<unknown> =>
  (await node.sql(`SELECT count(*)::int AS n FROM ostler.tenant WHERE name = 'kept'`)).rows

test('data of an older version are taken over at the next start, and the old ones are kept', async () => {
  expect(version()).toBe(older)
  install()
  await node.up()
  expect(version()).toBe(newer)
  expect(await tenants()).toEqual([{ n: 1 }])
  expect(state()).toEqual(['node.key', 'postgres', `postgres.${older}`])
  // A start after that changes nothing.
  await node.down()
  await node.up()
  expect(state()).toEqual(['node.key', 'postgres', `postgres.${older}`])
})

test('an old server that still runs is stopped first: what was written until then is there', async () => {
  remove()
  await node.up()
  await node.sql(`UPDATE ostler.tenant SET name = 'late' WHERE name = 'kept'`)
  const before = findPostmaster(node.data)
  install()
  await node.up()
  expect(findPostmaster(node.data)).not.toBe(before)
  expect((await node.sql(`SELECT name FROM ostler.tenant WHERE name = 'late'`)).rows).toEqual([
    { name: 'late' },
  ])
})

test('back to the old version: the old folder takes its place again', async () => {
  install()
  await node.up()
  await node.down()
  remove()
  renameSync(node.data, `${node.data}.${newer}`)
  renameSync(`${node.data}.${older}`, node.data)
  await node.up()
  expect(version()).toBe(older)
  expect(await tenants()).toEqual([{ n: 1 }])
})

test('what cannot be taken over stays in use as it is, and the log says why', async () => {
  const said: unknown[] = []
  const log: Log = {
    ...silentLog,
    error: (_, fields) => void said.push((fields?.['error'] as Error).message),
  }
  // Something in the database that the new cluster cannot have: an owner that is in no dump.
  remove()
  await node.up()
  await node.sql(
    'CREATE ROLE stranger; CREATE TABLE ostler.strange (n int); ALTER TABLE ostler.strange OWNER TO stranger',
  )
  install()
  await node.up(log)
  expect(said).toEqual([expect.stringMatching(/could not be taken over into PostgreSQL \d+: .*stranger/)])
  expect(version()).toBe(older)
  expect(await tenants()).toEqual([{ n: 1 }])
  expect(state()).toEqual(expect.not.arrayContaining([`postgres.${older}`]))
})

test('it ended between the two renames: the next start finishes', async () => {
  install()
  await node.up()
  await node.down()
  renameSync(node.data, `${node.data}.ready`)
  await node.up()
  expect(version()).toBe(newer)
  expect(await tenants()).toEqual([{ n: 1 }])
})

test('it is killed again and again, at any moment: no start finds less than was there', async () => {
  install()
  const child = join(import.meta.dirname, 'step-child.ts')
  for (const ms of [300, 700, 1_100, 1_600, 2_200, 2_900]) {
    const step = spawn(process.execPath, [child, join(node.folder, 'node.conf')], { stdio: 'ignore' })
    const ended = once(step, 'exit')
    await comesToHold(() => step.exitCode !== null, ms, 10)
    step.kill('SIGKILL')
    await ended
    expect(existsSync(node.data) || existsSync(`${node.data}.ready`)).toBe(true)
  }
  const said: unknown[] = []
  await node.up({ ...silentLog, error: (_, fields) => void said.push(fields?.['error']) })
  expect(said).toEqual([])
  expect(version()).toBe(newer)
  expect(await tenants()).toEqual([{ n: 1 }])
  expect(state().filter((name) => /new|next|ready/.test(name))).toEqual([])
})
