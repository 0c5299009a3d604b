import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keepConsole } from './console-log.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-console-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('what a guest said is kept, without what could move a terminal', () => {
  const from = join(folder, 'from')
  writeFileSync(from, '\x1b[2J\x1b[31mBooting\x1b[0m ümläut\r\n\tlogin:\x07\x1b]0;title\x07\x9b2J ok\u202e')
  keepConsole(from, join(folder, 'to'))
  const kept = readFileSync(join(folder, 'to'), 'utf8')
  expect(kept).toContain('Booting ümläut\n\tlogin:')
  expect(kept).not.toMatch(/[^\P{C}\n\t]/u)
})

test('nothing is kept of what is not there, is empty, or is a link', () => {
  keepConsole(join(folder, 'none'), join(folder, 'to'))
  writeFileSync(join(folder, 'empty'), '')
  keepConsole(join(folder, 'empty'), join(folder, 'to'))
  symlinkSync('/etc/passwd', join(folder, 'link'))
  keepConsole(join(folder, 'link'), join(folder, 'to'))
  expect(() => readFileSync(join(folder, 'to'))).toThrow('ENOENT')
})
