import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inTurn } from '../../proxy/src/hypervisor/in-turn.ts'
import { userRange } from '../../proxy/src/hypervisor/lxc/user-range.ts'
import { overlayFolder } from '../../proxy/src/hypervisor/overlays.ts'
import { runFolder } from '../../proxy/src/model/run-folder.ts'
import { type LxcRoom, lxcRoom, NUMBERS } from './lxc-room.ts'
import { runInside } from './quiet-guest.ts'

const END_MS = 15_000
const [ANN, EVE, OBSTRUCTED] = [1, 2, 3]

let room: LxcRoom

beforeAll(async () => {
  room = await lxcRoom()
  const driver = inTurn(room.open())
  for (const id of [ANN, EVE]) {
    await driver.prepare(room.spec(id))
    await driver.boot(room.spec(id))
  }
})
afterAll(async () => {
  const driver = inTurn(room.open())
  for (const id of [ANN, EVE]) {
    await driver.kill(id)
    await comesToHold(() => driver.observe(id).processes === 'absent', END_MS, 20)
    await driver.release(id)
  }
  expect((await comesToHold(() => room.remains().length === 0, END_MS, 50)) ? [] : room.remains()).toEqual([])
  await room[Symbol.asyncDispose]()
})

/** As root of a desktop, in it. */
const inside = (id: number, ...argv: string[]): Promise<string> => runInside(room.init(id), argv)
/** As root of a desktop that has got out of everything but its user namespace: what is left is who it is. */
const escaped = async (id: number, ...argv: string[]): Promise<string> =>
  (await run('nsenter', ['--target', String(room.init(id)), '--user', '--', ...argv])).stdout
const mapOf = (id: number): number[] =>
  readFileSync(`/proc/${room.init(id)}/uid_map`, 'utf8')
    .trim()
    .split(/\s+/)
    .map(Number)

test('users and groups of each desktop have numbers of their own on the node', () => {
  for (const id of [ANN, EVE]) {
    const { first, count } = userRange(NUMBERS, id)
    expect(mapOf(id)).toEqual([0, first, count])
    expect(statSync(`/proc/${room.init(id)}`)).toMatchObject({ uid: first, gid: first })
  }
  expect(mapOf(ANN)[1]).not.toBe(mapOf(EVE)[1])
})

test('what root of a desktop makes is nobody’s for the node, and root’s on the disk', async () => {
  await inside(ANN, 'touch', '/etc/made', '/home/made')
  const { first } = userRange(NUMBERS, ANN)
  for (const path of ['/etc/made', '/home/made'])
    expect(statSync(`/proc/${room.init(ANN)}/root${path}`)).toMatchObject({ uid: first, gid: first })
  for (const path of [
    join(overlayFolder(room.places.overlays, room.spec(ANN)), 'upper/etc/made'),
    join(room.places.homes, 'user1-1/made'),
  ])
    expect(statSync(path)).toMatchObject({ uid: 0, gid: 0 })
})

test('a file of the node’s root that is bound in is not read, one of the desktop’s root is', async () => {
  const { boot } = runFolder(room.places.run, ANN)
  writeFileSync(join(boot, 'of-the-node'), 'secret', { mode: 0o600 })
  writeFileSync(join(boot, 'for-all'), 'open', { mode: 0o644 })
  expect(await inside(ANN, 'cat', '/run/ostler/boot/for-all')).toBe('open')
  await expect(inside(ANN, 'cat', '/run/ostler/boot/of-the-node')).rejects.toThrow(/Permission denied/)
})

test('sockets are given to the door’s user of the node', async () => {
  await inside(
    ANN,
    'sh',
    '-c',
    'cd /run/ostler/display && touch nx.sock && chown 998 nx.sock && chmod 600 nx.sock',
  )
  const { display } = runFolder(room.places.run, ANN)
  expect(statSync(join(display, 'nx.sock'))).toMatchObject({ uid: 998, gid: 0 })
})

test('no process of the node or of another desktop hears a signal', async () => {
  const sleeper = spawn('sleep', ['60'])
  try {
    for (const pid of [sleeper.pid ?? 0, room.init(EVE)])
      await expect(escaped(ANN, 'kill', '-0', String(pid))).rejects.toThrow(/not permitted/)
  } finally {
    sleeper.kill('SIGKILL')
  }
})

test('who got out of her namespaces reads no file of the node’s root, nor of another desktop', async () => {
  const secret = join(room.places.homes, 'user2-1/secret')
  await inside(EVE, 'sh', '-c', 'umask 077 && echo hers > /home/secret')
  expect(readFileSync(secret, 'utf8')).toBe('hers\n')
  for (const path of ['/etc/shadow', secret, `/proc/${room.init(EVE)}/root/home/secret`])
    await expect(escaped(ANN, 'cat', path)).rejects.toThrow(/Permission denied/)
})

test('equal numbers in two desktops are two people on the node', async () => {
  const asUser = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups']
  await inside(ANN, 'chmod', '777', '/home')
  await inside(ANN, ...asUser, 'touch', '/home/hers')
  expect(statSync(`/proc/${room.init(ANN)}/root/home/hers`).uid).toBe(userRange(NUMBERS, ANN).first + 1000)
  expect(await inside(ANN, 'stat', '--format=%u', '/home/hers')).toBe('1000\n')
  await expect(escaped(EVE, 'cat', `/proc/${room.init(ANN)}/root/home/hers`)).rejects.toThrow(
    /Permission denied/,
  )
})

test.each([
  ['make a device', ['mknod', '/etc/disk', 'b', '8', '0']],
  ['set the clock', ['date', '--set', '2001-01-01']],
  ['change the node’s kernel', ['sh', '-c', 'echo 1 > /proc/sys/kernel/sysrq']],
  ['write to the node’s /usr', ['touch', '/usr/bin/x']],
])('root of a desktop cannot %s', async (_, argv) => {
  await expect(inside(ANN, ...argv)).rejects.toThrow()
})

test('programs of the desktop’s root still lend their rights to its users', async () => {
  await inside(ANN, 'sh', '-c', 'cp /usr/bin/id /opt/id && chmod 4755 /opt/id')
  const asUser = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups']
  expect(await inside(ANN, ...asUser, '/opt/id', '-un')).toBe('root\n')
})

test.each([
  ['the guest’s root may not pass', /grant it x access/, () => closedFolder()],
  ['the file system cannot show other owners', /move it .* or set vm\.lxc\.userns = 0/, () => unshiftable()],
])('where %s, the fault says so', async (_, sentence, obstacle) => {
  const driver = inTurn(room.open())
  await driver.prepare(room.spec(OBSTRUCTED))
  const remove = await obstacle()
  try {
    await expect(driver.boot(room.spec(OBSTRUCTED))).rejects.toThrow(sentence)
    expect(driver.observe(OBSTRUCTED).processes).toBe('absent')
  } finally {
    await remove()
    await driver.release(OBSTRUCTED)
  }
})

function closedFolder(): () => void {
  chmodSync(room.places.lxcPath, 0o700)
  return () => chmodSync(room.places.lxcPath, 0o711)
}

async function unshiftable(): Promise<() => Promise<unknown>> {
  const home = join(room.places.homes, `user${OBSTRUCTED}-1`)
  await run('mount', ['-t', 'ramfs', 'test', home])
  return () => run('umount', [home])
}
