import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hookFileProblem } from './hook-file.ts'

let folder: string
beforeEach(() => {
  if (process.getuid?.() !== 0) throw new Error('these tests give files to others: run them as root')
  folder = mkdtempSync(join(tmpdir(), 'ostler-hook-file-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const HOOK = { uid: 0, gid: 0, mode: 0o755 }

function makeFile(name: string, { uid, gid, mode } = HOOK): string {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, '#!/bin/sh\n')
  chownSync(path, uid, gid)
  chmodSync(path, mode)
  return path
}

function makeFolder(name: string, { uid, gid, mode } = HOOK): string {
  const path = join(folder, name)
  mkdirSync(path, { recursive: true })
  chownSync(path, uid, gid)
  chmodSync(path, mode)
  return path
}

function makeLink(name: string, target: string, uid = 0): string {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(target, path)
  lchownSync(path, uid, 0)
  return path
}

describe('a hook file', () => {
  test.each([
    ["root's, for everybody", { uid: 0, gid: 0, mode: 0o755 }],
    ["root's alone", { uid: 0, gid: 0, mode: 0o700 }],
    ["root's, which the group root may write", { uid: 0, gid: 0, mode: 0o775 }],
    ["root's, which some group may read and run", { uid: 0, gid: 4711, mode: 0o750 }],
    ["root's, which only others may run", { uid: 0, gid: 0, mode: 0o601 }],
  ])('%s is run', (_, owner) => {
    expect(hookFileProblem(makeFile('hook', owner))).toBeUndefined()
  })

  test.each([
    ['of a user', { uid: 4711, gid: 0, mode: 0o755 }, /hook belongs to user 4711, not to root$/],
    [
      'that everybody may write',
      { uid: 0, gid: 0, mode: 0o757 },
      /hook can be written to by others than root$/,
    ],
    [
      'that some group may write',
      { uid: 0, gid: 4711, mode: 0o775 },
      /hook can be written to by others than root$/,
    ],
    ['that nobody may run', { uid: 0, gid: 0, mode: 0o644 }, /^it is not executable$/],
  ])('%s is refused', (_, owner, problem) => {
    expect(hookFileProblem(makeFile('hook', owner))).toMatch(problem)
  })

  test.each([
    ['hook', 'it is not an absolute path'],
    ['', 'it is not an absolute path'],
    ['/no/such/hook', 'there is no such file'],
    ['/etc', 'it is not a file'],
    ['/dev/null', 'it is not a file'],
  ])('"%s" is refused', (file, problem) => {
    expect(hookFileProblem(file)).toBe(problem)
  })

  test('below a file, or with a NUL in its name, is refused with the words of the system', () => {
    expect(hookFileProblem(`${makeFile('hook')}/below`)).toContain('ENOTDIR')
    expect(hookFileProblem('/etc/\0')).toContain('null bytes')
  })
})

describe('a folder on the way', () => {
  test.each([
    ['of a user', { uid: 4711, gid: 0, mode: 0o755 }, 'belongs to user 4711, not to root'],
    ['that everybody may write', { uid: 0, gid: 0, mode: 0o777 }, 'can be written to by others than root'],
    [
      'that some group may write',
      { uid: 0, gid: 4711, mode: 0o775 },
      'can be written to by others than root',
    ],
    ['of a user that is sticky', { uid: 4711, gid: 0, mode: 0o1777 }, 'belongs to user 4711, not to root'],
  ])('%s spoils the hook below, however deep', (_, owner, problem) => {
    const open = makeFolder('open', owner)
    for (const name of ['open/hook', 'open/a/b/hook'])
      expect(hookFileProblem(makeFile(name))).toBe(`${open} ${problem}`)
  })

  test("root's and sticky is fine: others cannot exchange what is root's in it", () => {
    makeFolder('sticky', { uid: 0, gid: 0, mode: 0o1777 })
    expect(hookFileProblem(makeFile('sticky/hook'))).toBeUndefined()
  })
})

describe('a link', () => {
  test("of root's to a good file is fine, also relative and to a folder", () => {
    const hook = makeFile('good/hook')
    expect(hookFileProblem(makeLink('absolute', hook))).toBeUndefined()
    expect(hookFileProblem(makeLink('relative', 'good/../good/./hook'))).toBeUndefined()
    makeLink('folder', 'good')
    expect(hookFileProblem(join(folder, 'folder/hook'))).toBeUndefined()
  })

  test('of a user is refused, wherever it leads', () => {
    const link = makeLink('link', makeFile('hook'), 4711)
    expect(hookFileProblem(link)).toBe(`${link} belongs to user 4711, not to root`)
  })

  test('into a folder of a user is refused', () => {
    const open = makeFolder('open', { uid: 4711, gid: 0, mode: 0o755 })
    const link = makeLink('link', makeFile('open/hook'))
    expect(hookFileProblem(link)).toBe(`${open} belongs to user 4711, not to root`)
  })

  test('to a link that somebody else could exchange is refused, though both ends are good', () => {
    const open = makeFolder('open', { uid: 4711, gid: 0, mode: 0o755 })
    const between = makeLink('open/between', makeFile('good/hook'))
    expect(hookFileProblem(makeLink('link', between))).toBe(`${open} belongs to user 4711, not to root`)
  })

  test('is followed the way the system does: above the folder that it leads to, not above itself', () => {
    const open = makeFolder('open', { uid: 4711, gid: 0, mode: 0o755 })
    makeFolder('open/inner')
    makeFile('open/hook')
    makeFile('hook')
    makeLink('inner', join(open, 'inner'))
    expect(hookFileProblem(`${folder}/inner/../hook`)).toBe(`${open} belongs to user 4711, not to root`)
  })

  test('that leads up and down again is judged by all it passes', () => {
    const open = makeFolder('open', { uid: 4711, gid: 0, mode: 0o755 })
    makeFile('good/hook')
    const link = makeLink('a/link', relative(join(folder, 'a'), `${open}/`) + '/../good/hook')
    expect(hookFileProblem(link)).toBe(`${open} belongs to user 4711, not to root`)
  })

  test('that leads nowhere, or in a circle, is refused', () => {
    expect(hookFileProblem(makeLink('nowhere', '/no/such/file'))).toBe('there is no such file')
    expect(hookFileProblem(makeLink('circle', 'circle'))).toContain('ELOOP')
  })
})
