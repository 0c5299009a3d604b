import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { run } from '@ostler/kit/run.ts'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CONSOLE_TAIL_BYTES, consoleTail } from './console-tail.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-tail-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function written(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

test('what several files say stands one after the other, without what could move a terminal', () => {
  const paths = [
    written('one', '\x1b[31mkernel\x1b[0m panic\n'),
    written('two', 'agent: no\u202e key\x07\n\n'),
  ]
  expect(consoleTail(paths)).toBe('kernel panic\nagent: no key')
})

test('only the end is kept, in whole lines: half of one may be a secret whose name is cut off', () => {
  const line = `${'a'.repeat(99)}\n`
  const tail = consoleTail([written('long', `password=hunter2${line.repeat(2_000)}the end`)])
  expect(tail.length).toBeLessThanOrEqual(CONSOLE_TAIL_BYTES)
  expect(tail.endsWith('\nthe end')).toBe(true)
  expect(tail.split('\n')[0]).toBe('a'.repeat(99))
})

test('both ends of two long files do not become more than one', () => {
  const long = 'b\n'.repeat(CONSOLE_TAIL_BYTES)
  expect(consoleTail([written('one', long), written('two', long)]).length).toBeLessThanOrEqual(
    CONSOLE_TAIL_BYTES,
  )
})

test('a link, a folder, a pipe without a writer and what is not there say nothing, and keep nobody waiting', async () => {
  symlinkSync('/etc/passwd', join(folder, 'link'))
  mkdirSync(join(folder, 'folder'))
  await run('mkfifo', [join(folder, 'pipe')])
  expect(consoleTail(['link', 'folder', 'pipe', 'none'].map((name) => join(folder, name)))).toBe('')
})
