import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { pidFileHolder, takePidFile } from './pid-file.ts'
import { identify } from './process-table.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-pid-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a pid file is taken, held, and removed', () => {
  const path = join(folder, 'deep', 'er', 'x.pid')
  const result = takePidFile(path)
  expect(pidFileHolder(path)).toEqual(identify(process.pid))
  if ('taken' in result) result.taken[Symbol.dispose]()
  expect(existsSync(path)).toBe(false)
})

test('a pid file whose holder lives is not taken', () => {
  const path = join(folder, 'held.pid')
  writeFileSync(path, JSON.stringify(identify(process.ppid)))
  expect(takePidFile(path)).toEqual({ holder: identify(process.ppid) })
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(identify(process.ppid))
})

test.each([
  ['of a process that has ended', JSON.stringify({ pid: 2 ** 22 + 1, startTicks: 5 })],
  ['of an earlier process with our number', JSON.stringify({ pid: process.pid, startTicks: 1 })],
  ['that is empty', ''],
  ['that says null', 'null'],
])('a pid file %s is taken over', (_, content) => {
  const path = join(folder, 'stale.pid')
  writeFileSync(path, content)
  expect(pidFileHolder(path)).toBeUndefined()
  const result = takePidFile(path)
  expect(result).toHaveProperty('taken')
  expect(pidFileHolder(path)).toEqual(identify(process.pid))
})

test('nobody holds a file that is not there', () => {
  expect(pidFileHolder(join(folder, 'none.pid'))).toBeUndefined()
})
