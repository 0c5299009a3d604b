import { mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { type Log, openLog } from '../log.ts'
import { run } from '../run.ts'
import { Scope } from '../scope.ts'

const mounted = new Set<string>()
// What a test that was given up has left.
afterAll(async () => {
  for (const folder of mounted) await unmount(folder)
})

/** A disk of 64 KiB. */
async function smallDisk(scope: Scope): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-disk-'))
  await run('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0755', 'ostler-test', folder])
  mounted.add(folder)
  scope.defer(() => unmount(folder))
  return folder
}

async function unmount(folder: string): Promise<void> {
  await run('umount', ['--lazy', folder])
  mounted.delete(folder)
  rmdirSync(folder)
}

async function logTo(scope: Scope, path: string, size = 1 << 30): Promise<Log> {
  const log = await openLog({ name: 'test', settings: { level: 'INFO', file: { path, size, max: 3 } } })
  scope.defer(() => log.close())
  return log
}

interface Line {
  readonly message: string
  readonly number?: number
  readonly lost?: number
}

/** All lines of a file; each must be whole. */
function linesOf(path: string): Line[] {
  const text = readFileSync(path, 'utf8')
  expect(text.endsWith('\n')).toBe(true)
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

test('a full disk costs lines and nothing else; with room logging comes back and tells how many', async () => {
  await using scope = new Scope()
  const disk = await smallDisk(scope)
  const path = join(disk, 'a.log')
  const ballast = join(disk, 'ballast')
  writeFileSync(ballast, Buffer.alloc(40_960))
  const log = await logTo(scope, path)

  // Several times what fits. That this loop ends without an error is what a session wants.
  let number = 0
  for (; number < 1_000; number++) log.info('session goes on', { number, text: 'x'.repeat(100) })
  expect(linesOf(path).length).toBeLessThan(200)
  expect(linesOf(path).map((line) => line.number)).toEqual(linesOf(path).map((_, index) => index))

  rmSync(ballast)
  while (!linesOf(path).some(({ lost }) => lost !== undefined)) {
    await sleep(50)
    log.info('session goes on', { number: number++ })
  }
  log.info('and on', { number: number++ })

  const lines = linesOf(path)
  const notice = lines.findIndex(({ lost }) => lost !== undefined)
  const lost = lines[notice]?.lost ?? 0
  expect(lines[notice]?.message).toBe(`${lost} log lines were lost`)
  expect(lines.length - 1 + lost).toBe(number)
  expect(lines.at(-1)).toMatchObject({ message: 'and on', number: number - 1 })
})

test('a full disk that stays full: the log can be closed', async () => {
  await using scope = new Scope()
  const disk = await smallDisk(scope)
  const log = await logTo(scope, join(disk, 'a.log'))
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(65_536))
  for (let i = 0; i < 100; i++) log.info('session goes on')
  await log.close()
})

test('rotation keeps a log within its disk for ever', async () => {
  await using scope = new Scope()
  const disk = await smallDisk(scope)
  const path = join(disk, 'a.log')
  const log = await logTo(scope, path, 16_384)
  for (let number = 0; number < 2_000; number++)
    log.info('session goes on', { number, text: 'x'.repeat(100) })
  const numbers = [`${path}.2`, `${path}.1`, path].flatMap(linesOf).map((line) => line.number ?? -1)
  expect(numbers.at(-1)).toBe(1_999)
  expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index))
})

test('a disk that becomes read-only and writable again', async () => {
  await using scope = new Scope()
  const disk = await smallDisk(scope)
  const path = join(disk, 'a.log')
  const log = await logTo(scope, path)
  log.info('before')
  // No descriptor may be open for writing when it becomes read-only.
  await log.close()
  await run('mount', ['-o', 'remount,ro', disk])
  const again = await logTo(scope, path)
  again.info('lost')
  again.info('lost')
  await run('mount', ['-o', 'remount,rw', disk])
  while (linesOf(path).length < 2) {
    await sleep(50)
    again.info('after')
  }
  const [, notice, after] = linesOf(path)
  expect(notice?.lost).toBeGreaterThanOrEqual(2)
  expect(after?.message).toBe('after')
})

test('a folder that cannot be made: lines are lost until it can', async () => {
  await using scope = new Scope()
  const disk = await smallDisk(scope)
  const inTheWay = join(disk, 'logs')
  writeFileSync(inTheWay, 'I am no folder')
  const log = await logTo(scope, join(inTheWay, 'a.log'))
  log.info('lost')
  rmSync(inTheWay)
  await log.close()
  expect(linesOf(join(inTheWay, 'a.log'))).toEqual([
    expect.objectContaining({ message: '1 log line was lost', lost: 1 }),
  ])
})
