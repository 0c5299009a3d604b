import { findAccount } from '@ostler/kit/passwd.ts'
import { spawn } from 'node:child_process'
import { Fault } from '@ostler/contract/fault.ts'
import { type Log, silentLog } from '@ostler/kit/log.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BareNode, makeBareNode, untilAnswers } from '../fixtures/bare-node.ts'

/** The data on a small disk of its own. */
let node: BareNode
const said: string[] = []
const log: Log = {
  ...silentLog,
  info: (message) => void said.push(message),
  error: (message, fields) => void said.push(`${message} ${inspect(fields?.['error'])}`),
}
beforeAll(async () => {
  node = makeBareNode()
  mkdirSync(join(node.folder, 'state'))
  await run('mount', ['-t', 'tmpfs', '-o', 'size=160m,mode=755', 'none', join(node.folder, 'state')])
  await node.up(log)
})
afterAll(async () => {
  await node.down()
  await run('umount', [join(node.folder, 'state')])
  await node[Symbol.asyncDispose]()
})

/** Every process of the server, whose working folder the data are. */
function servers(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === node.data
      } catch {
        return false
      }
    })
}

const startFault = async (): Promise<Fault> => {
  const error: unknown = await node.up().catch((reason: unknown) => reason)
  if (!(error instanceof Fault)) throw new Error('it has started')
  await node.down()
  return error
}

test('it checks what it reads, waits for the disk, and bounds its journal and its connections', async () => {
  const setting = async (name: string): Promise<unknown> => (await node.sql(`SHOW ${name}`)).rows[0]?.[name]
  expect(await setting('data_checksums')).toBe('on')
  expect(await setting('fsync')).toBe('on')
  expect(await setting('max_wal_size')).toBe('256MB')
  expect(Number(await setting('max_connections'))).toBeGreaterThanOrEqual(100)
  expect(await setting('listen_addresses')).toBe('')
})

test('its first process is killed: it comes back by itself, with all that was committed', async () => {
  await node.sql('CREATE TABLE ostler.kept (n int); INSERT INTO ostler.kept VALUES (7)')
  const before = node.postmaster()
  process.kill(before, 'SIGKILL')
  expect(await comesToHold(() => said.includes('postgresql runs again'), 60_000, 50)).toBe(true)
  expect(node.postmaster()).not.toBe(before)
  expect((await node.sql('SELECT n FROM ostler.kept')).rows).toEqual([{ n: 7 }])
})

test('all of its processes are killed at once: the same', async () => {
  said.length = 0
  for (const pid of servers()) process.kill(pid, 'SIGKILL')
  expect(await comesToHold(() => said.includes('postgresql runs again'), 60_000, 50)).toBe(true)
  expect((await node.sql('SELECT n FROM ostler.kept')).rows).toEqual([{ n: 7 }])
})

test('its disk is full: hkd says so, and it goes on by itself when there is room again', async () => {
  said.length = 0
  const filler = join(node.folder, 'state/filler')
  await expect(run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M'])).rejects.toThrow(/No space left/)
  // The journal has room in advance; when that is used up, the server cannot go on.
  const writes = async (): Promise<boolean> =>
    await node.sql('INSERT INTO ostler.kept SELECT 1; SELECT pg_switch_wal()').then(
      () => true,
      () => false,
    )
  expect(await comesToHold(async () => !(await writes()), 60_000, 10)).toBe(true)
  expect(
    await comesToHold(() => said.some((line) => line.includes('there is no room left')), 60_000, 50),
  ).toBe(true)
  rmSync(filler)
  expect(await untilAnswers(node, 'INSERT INTO ostler.kept VALUES (8)')).toBe(true)
  expect((await node.sql('SELECT n FROM ostler.kept WHERE n > 1 ORDER BY n')).rows).toEqual([
    { n: 7 },
    { n: 8 },
  ])
})

test('a pid file that names a process of somebody else does not keep it from starting', async () => {
  await node.down()
  const lines = [
    String(process.pid),
    node.data,
    '1',
    '5432',
    join(node.folder, 'run/postgres'),
    '',
    '1 1',
    'ready',
  ]
  writeFileSync(join(node.data, 'postmaster.pid'), `${lines.join('\n')}\n`)
  await node.up(log)
  expect(node.postmaster()).not.toBe(process.pid)
  await node.down()
})

test('locks of its sockets that name a living process of its own user do not keep it from starting', async () => {
  await node.down()
  const { uid = 0, gid = 0 } = findAccount(node.users.database) ?? {}
  const other = spawn('sleep', ['60'], { uid, gid, stdio: 'ignore' })
  try {
    for (const folder of ['postgres', 'postgres-api'])
      writeFileSync(
        join(node.folder, 'run', folder, '.s.PGSQL.5432.lock'),
        `${other.pid ?? 0}\n${node.data}\n1\n5432\n${join(node.folder, 'run', folder)}\n`,
      )
    await node.up(log)
    await node.down()
  } finally {
    other.kill('SIGKILL')
  }
})

test('a damaged control file: one sentence, and nothing is changed', async () => {
  const control = join(node.data, 'global/pg_control')
  const good = readFileSync(control)
  const bad = Buffer.from(good)
  bad.fill(0x5a, 40, 80)
  writeFileSync(control, bad)
  const fault = await startFault()
  expect(fault.code).toBe('database.damaged')
  expect(fault.message).toMatch(/cannot be used: .*control file/)
  expect(readFileSync(control)).toEqual(bad)
  writeFileSync(control, good)
})

test('data without their version are never made anew', async () => {
  const version = join(node.data, 'PG_VERSION')
  renameSync(version, join(node.folder, 'state/version'))
  const before = readdirSync(node.data)
  expect((await startFault()).code).toBe('database.damaged')
  expect(readdirSync(node.data)).toEqual(before)
  renameSync(join(node.folder, 'state/version'), version)
})

test('a disk that is not mounted is no reason to begin with nothing', async () => {
  const away = `${node.data}.away`
  renameSync(node.data, away)
  for (const isThere of [false, true]) {
    if (isThere) mkdirSync(node.data)
    expect((await startFault()).code).toBe('database.missing')
    expect(existsSync(join(node.data, 'PG_VERSION'))).toBe(false)
  }
  rmSync(node.data, { recursive: true })
  renameSync(away, node.data)
  await node.up(log)
  expect((await node.sql('SELECT n FROM ostler.kept WHERE n = 7')).rows).toEqual([{ n: 7 }])
})
