import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { RotatingFile } from './rotating-file.ts'

const root = mkdtempSync(join(tmpdir(), 'ostler-rotating-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let now = 0
let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(root, 'x'))
  path = join(folder, 'a.log')
  now = 0
})

function open(size: number, max: number) {
  const file = new RotatingFile({ path, size, max }, () => now)
  return {
    add: (text: string) => file.append(Buffer.from(`${text}\n`)),
    [Symbol.dispose]: () => file.close(),
  }
}

/** Contents by name, newest first. */
function contents(): Record<string, string> {
  const names = readdirSync(folder).sort()
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
}

test('lines are added to what is there', () => {
  writeFileSync(path, 'old\n')
  using file = open(100, 3)
  file.add('new')
  expect(contents()).toEqual({ 'a.log': 'old\nnew\n' })
})

test('the file is made with mode 0640 and its folder with 0750', () => {
  path = join(folder, 'deep', 'er', 'a.log')
  using file = open(100, 3)
  file.add('x')
  expect(statSync(path).mode & 0o777).toBe(0o640)
  expect(statSync(join(folder, 'deep')).mode & 0o777).toBe(0o750)
})

test('a file that would grow too long is renamed, and only so many are kept', () => {
  using file = open(10, 3)
  for (const line of ['11111', '22222', '33333', '44444']) file.add(line)
  expect(contents()).toEqual({ 'a.log': '44444\n', 'a.log.1': '33333\n', 'a.log.2': '22222\n' })
})

test('with one file kept it begins anew', () => {
  using file = open(10, 1)
  file.add('11111')
  file.add('22222')
  expect(contents()).toEqual({ 'a.log': '22222\n' })
})

test('what is found too long is rotated by the next line', () => {
  writeFileSync(path, 'x'.repeat(50))
  using file = open(10, 2)
  file.add('new')
  expect(contents()).toEqual({ 'a.log': 'new\n', 'a.log.1': 'x'.repeat(50) })
})

test('a line that is longer than a file has a file of its own', () => {
  using file = open(10, 3)
  file.add('1')
  file.add('x'.repeat(50))
  file.add('2')
  expect(contents()).toEqual({ 'a.log': '2\n', 'a.log.1': `${'x'.repeat(50)}\n`, 'a.log.2': '1\n' })
})

test('a gap in the numbers does not matter', () => {
  using file = open(10, 4)
  file.add('11111')
  writeFileSync(`${path}.2`, 'two')
  file.add('22222')
  expect(contents()).toEqual({ 'a.log': '22222\n', 'a.log.1': '11111\n', 'a.log.3': 'two' })
})

test('logrotate renames it: lines go on into a new file within a second, and none is lost', () => {
  using file = open(1_000, 3)
  file.add('1')
  renameSync(path, `${path}.old`)
  file.add('2')
  now += 1_000
  file.add('3')
  file.add('4')
  expect(contents()).toEqual({ 'a.log': '3\n4\n', 'a.log.old': '1\n2\n' })
})

test('somebody removes it, or its folder: it is made again', () => {
  using file = open(1_000, 3)
  file.add('1')
  rmSync(folder, { recursive: true })
  now += 1_000
  file.add('2')
  expect(contents()).toEqual({ 'a.log': '2\n' })
})

test('logrotate copies and truncates it: lines go on at the beginning', () => {
  using file = open(1_000, 3)
  file.add('1')
  writeFileSync(path, '')
  file.add('2')
  expect(contents()).toEqual({ 'a.log': '2\n' })
})

test('two processes share a file: every line is there once, in files of the right length', () => {
  using first = open(100, 50)
  using second = open(100, 50)
  const lines: string[] = []
  for (let i = 100; i < 200; i++) {
    now += 400
    for (const file of [first, second]) {
      const line = `${i} ${file === first ? 'first' : 'second'}`
      file.add(line)
      lines.push(line)
    }
  }
  const found = Object.values(contents()).flatMap((text) => text.trim().split('\n'))
  expect(found.sort()).toEqual(lines.sort())
  // One may be behind by what the other has written in a second.
  for (const text of Object.values(contents())) expect(text.length).toBeLessThan(200)
})

test('where nothing can be renamed the file grows on', () => {
  // A folder in the way stops root, too.
  mkdirSync(`${path}.1`)
  using file = open(10, 2)
  file.add('11111')
  file.add('22222')
  file.add('33333')
  expect(readFileSync(path, 'utf8')).toBe('11111\n22222\n33333\n')
})

test('a device is not rotated', () => {
  path = '/dev/null'
  using file = open(10, 3)
  for (let i = 0; i < 10; i++) file.add('11111')
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
})
