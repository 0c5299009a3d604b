import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { settleHome } from './settle-home.ts'

let folder: string
let skeleton: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-settle-'))
  skeleton = join(folder, 'skeleton')
  mkdirSync(join(skeleton, 'sub'), { recursive: true, mode: 0o755 })
  writeFileSync(join(skeleton, 'sub/file'), 'content')
  symlinkSync('sub/file', join(skeleton, 'link'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const accountAt = (home: string) => ({ name: 'ann', uid: 12_345, gid: 12_346, home, shell: '/bin/sh' })
const modeOf = (path: string): number => statSync(path).mode & 0o777

test('makes a missing home from the skeleton: hers alone, below folders that everybody may pass', () => {
  const home = join(folder, 'homes/EXAMPLE/ann')
  settleHome(accountAt(home), skeleton)
  expect(readFileSync(join(home, 'sub/file'), 'utf8')).toBe('content')
  for (const name of ['', 'sub', 'sub/file']) expect(statSync(join(home, name)).uid).toBe(12_345)
  expect(modeOf(home)).toBe(0o700)
  for (const parent of ['homes', 'homes/EXAMPLE']) expect(modeOf(join(folder, parent))).toBe(0o755)
})

test('a link of the skeleton leads where it says, not into the skeleton', () => {
  settleHome(accountAt(join(folder, 'ann')), skeleton)
  expect(readlinkSync(join(folder, 'ann/link'))).toBe('sub/file')
})

test('takes an empty folder of root’s, and leaves every other one as it is', () => {
  const [empty, full] = [join(folder, 'empty'), join(folder, 'full')]
  mkdirSync(empty)
  settleHome(accountAt(empty), skeleton)
  expect(statSync(empty).uid).toBe(12_345)
  mkdirSync(full)
  chmodSync(full, 0o755)
  writeFileSync(join(full, 'file'), '')
  expect(() => settleHome(accountAt(full), skeleton)).toThrow(/belongs to user 0/)
})

test('a home that cannot be made whole is gone again', () => {
  const home = join(folder, 'ann')
  expect(() => settleHome(accountAt(home), join(folder, 'missing'))).toThrow()
  expect(readdirSync(folder)).toEqual(['skeleton'])
})
