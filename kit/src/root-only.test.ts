import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openToOthers } from './root-only.ts'

const SOMEBODY = 12_345

let folder: string
let file: string

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ostler-root-only-')))
  file = join(folder, 'file')
  mkdirSync(join(folder, 'home'))
  writeFileSync(join(folder, 'program'), '#!/bin/sh\n', { mode: 0o755 })
  symlinkSync(join(folder, 'program'), join(folder, 'home/link'))
  chownSync(join(folder, 'home'), SOMEBODY, SOMEBODY)
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

test('links may lead on to each other among root’s folders', () => {
  symlinkSync('program', join(folder, 'first'))
  symlinkSync('first', file)
  expect(openToOthers(file)).toBeUndefined()
})

test('a chain of links may not pass a folder of somebody else, who could lead it elsewhere', () => {
  symlinkSync('home/link', file)
  expect(openToOthers(file)).toContain(`belongs to user ${SOMEBODY}, not to root`)
})

test('nor may a folder on the way be reached through such a link', () => {
  symlinkSync(folder, join(folder, 'home/back'))
  chownSync(join(folder, 'home'), SOMEBODY, SOMEBODY)
  symlinkSync('home/back', join(folder, 'way'))
  expect(openToOthers(join(folder, 'way/program'))).toContain(`belongs to user ${SOMEBODY}`)
})

test.each([
  ['the file, for all', 'program', 0o666, true],
  ['the file, for root’s group', 'program', 0o664, false],
  ['the folder, for all', '.', 0o777, true],
  ['the folder, for all, who cannot remove what is in it', '.', 0o1777, false],
])('writable is %s', (_, part, mode, open) => {
  chmodSync(join(folder, part), mode)
  expect(openToOthers(join(folder, 'program')) !== undefined).toBe(open)
})

test('what is not there cannot be looked at', () => {
  expect(() => openToOthers(join(folder, 'nothing'))).toThrow('ENOENT')
})
