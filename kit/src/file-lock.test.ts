import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { DeadlineExceeded } from './deadline.ts'
import { lockFile } from './file-lock.ts'
import { run } from './run.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-lock-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function newFile(): string {
  const path = join(folder, String(++files))
  writeFileSync(path, '')
  return path
}

/** Whether another process could take the lock now. */
function isFree(path: string): Promise<boolean> {
  return run('flock', ['--exclusive', '--nonblock', path, 'true']).then(
    () => true,
    () => false,
  )
}

test('other processes see the lock, until it is disposed of', async () => {
  const path = newFile()
  const lock = await lockFile(path, 10_000)
  expect(await isFree(path)).toBe(false)
  lock[Symbol.dispose]()
  lock[Symbol.dispose]()
  expect(await isFree(path)).toBe(true)
})

test('a second one of the same process waits for the first', async () => {
  const path = newFile()
  const order: string[] = []
  const first = await lockFile(path, 10_000)
  const second = lockFile(path, 60_000).then((lock) => {
    order.push('second')
    lock[Symbol.dispose]()
  })
  await sleep(200)
  order.push('first')
  first[Symbol.dispose]()
  await second
  expect(order).toEqual(['first', 'second'])
})

test('who waits in vain is told so', async () => {
  const path = newFile()
  using _held = await lockFile(path, 10_000)
  await expect(lockFile(path, 100)).rejects.toThrow(DeadlineExceeded)
})

test('who no longer wants it stops waiting, and the lock is not lost', async () => {
  const path = newFile()
  const abort = new AbortController()
  {
    using _held = await lockFile(path, 10_000)
    const waiting = lockFile(path, 60_000, abort.signal)
    abort.abort(new Error('not any more'))
    await expect(waiting).rejects.toThrow('not any more')
  }
  expect(await isFree(path)).toBe(true)
})

test('a file that is not there is not made', async () => {
  const path = join(folder, 'missing')
  await expect(lockFile(path, 100)).rejects.toMatchObject({ code: 'ENOENT' })
  expect(existsSync(path)).toBe(false)
})
