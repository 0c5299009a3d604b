import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { comesToHold } from './poll.ts'
import { identify, isAlive, killGroup, membersOfSession, signalProcess } from './process-table.ts'

test('this process is alive and always the same', () => {
  const self = identify(process.pid)
  expect(self).toMatchObject({ pid: process.pid, startTicks: expect.any(Number) as number })
  expect(self).toEqual(identify(process.pid))
  expect(self !== undefined && isAlive(self)).toBe(true)
})

test('a later process with the same number is another one', () => {
  const self = identify(process.pid)
  const earlier = { pid: process.pid, startTicks: (self?.startTicks ?? 0) - 1, uid: 0 }
  expect(isAlive(earlier)).toBe(false)
  expect(signalProcess(earlier, 'SIGKILL')).toBe(false)
})

test('a number that nobody has is nobody', () => {
  expect(identify(2 ** 22 + 1)).toBeUndefined()
})

test('a zombie is not alive', async () => {
  // The sleeping shell has become another program and never waits for its child.
  const parent = spawn('sh', ['-c', 'sh -c "echo \\$\\$" & exec sleep 300'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString())
  while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) await sleep(5)
  expect(identify(pid)).toBeUndefined()
  expect(
    isAlive({ pid, startTicks: Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[21]), uid: 0 }),
  ).toBe(false)
  parent.kill('SIGKILL')
  await once(parent, 'exit')
})

test('a name with blanks and parentheses does not confuse', async () => {
  const child = spawn('sh', ['-c', 'printf "a) Z (b" > /proc/self/comm 2>/dev/null; echo; read x'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  await once(child.stdout, 'data')
  expect(readFileSync(`/proc/${child.pid ?? 0}/comm`, 'utf8')).toContain('a) Z (b')
  const identity = identify(child.pid ?? 0)
  expect(identity?.startTicks).toBeGreaterThan(0)
  expect(identity && isAlive(identity)).toBe(true)
  child.stdin.end()
  await once(child, 'exit')
})

test('a signal reaches exactly its process, once', async () => {
  const child = spawn('sleep', ['300'])
  const identity = identify(child.pid ?? 0) ?? { pid: 0, startTicks: 0, uid: 0 }
  expect(signalProcess(identity, 'SIGTERM')).toBe(true)
  expect(await once(child, 'exit')).toEqual([null, 'SIGTERM'])
  expect(signalProcess(identity, 'SIGTERM')).toBe(false)
})

test('what is left of a group goes with it, and nobody else does', async () => {
  const leader = spawn('bash', ['-c', 'sleep 60 & echo $!; exec sleep 60'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const other = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
  const child = await new Promise<number>((resolve) =>
    leader.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))),
  )
  const identity = identify(leader.pid ?? 0)
  expect(identity).toBeDefined()
  const ended = new Promise((resolve) => leader.once('exit', resolve))
  leader.kill('SIGKILL')
  await ended
  if (identity !== undefined) killGroup(identity)
  expect(await comesToHold(() => identify(child) === undefined, 5_000, 10)).toBe(true)
  expect(identify(other.pid ?? 0)).toBeDefined()
  other.kill('SIGKILL')
})

test('a session is found whole, also when its leader has ended', async () => {
  const leader = spawn('sh', ['-c', 'sleep 300 & echo $!; read line'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const session = leader.pid ?? 0
  const [line] = (await once(leader.stdout, 'data')) as [Buffer]
  const sleeper = Number(line.toString())
  const pids = (): number[] => membersOfSession(session).map(({ pid }) => pid)
  expect(pids().sort()).toEqual([session, sleeper].sort())
  leader.stdin.end()
  await once(leader, 'exit')
  expect(pids()).toEqual([sleeper])
  process.kill(sleeper, 'SIGKILL')
  while (pids().length > 0) await sleep(5)
})
