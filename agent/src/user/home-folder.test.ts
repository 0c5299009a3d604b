import { Fault } from '@ostler/contract/fault.ts'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { explainHomeError, verifyHome, verifyHomes } from './home-folder.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-home-folder-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function make(name: string, uid: number, gid: number, mode: number): string {
  const path = join(folder, name)
  mkdirSync(path)
  chownSync(path, uid, gid)
  chmodSync(path, mode)
  return path
}

function faultOf(look: () => void): Fault {
  try {
    look()
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('it found nothing wrong')
}

describe('a home', () => {
  test.each([
    ['hers alone', 4711, 4711, 0o700],
    ['hers, her group may write', 4711, 4711, 0o770],
    ['hers, of a group that an older image numbered differently', 4711, 4000, 0o750],
  ])('%s is accepted', (_, uid, gid, mode) => {
    verifyHome(make('ann', uid, gid, mode), 4711, 4711)
  })

  test.each([
    ['of somebody else', 4712, 4711, 0o700, 'it belongs to user 4712, not to user 4711'],
    ['of root', 0, 0, 0o755, 'it belongs to user 0, not to user 4711'],
    ['that everybody may write to', 4711, 4711, 0o777, 'everybody may write to it'],
    ['that a foreign group may write to', 4711, 4712, 0o770, 'group 4712 may write to it'],
  ])('%s is refused and left as it is', (_, uid, gid, mode, reason) => {
    const home = make('ann', uid, gid, mode)
    const fault = faultOf(() => verifyHome(home, 4711, 4711))
    expect(fault.code).toBe('home.owner')
    expect(fault.message).toContain(reason)
    expect(statSync(home)).toMatchObject({ uid, gid })
  })

  test('that is a link, a file or missing is refused', () => {
    const home = join(folder, 'ann')
    const problem = (): string => faultOf(() => verifyHome(home, 0, 0)).message
    expect(problem()).toContain('ENOENT')
    symlinkSync(folder, home)
    expect(problem()).toContain('it is a link')
    rmSync(home)
    writeFileSync(home, '')
    expect(problem()).toContain('it is no folder')
  })
})

describe('the folder of the homes', () => {
  test.each([0o755, 0o711, 0o751])('may have the permissions %o', (mode) => {
    verifyHomes(make('homes', 0, 0, mode))
  })

  test.each([
    [4711, 0o755, 'it belongs to user 4711, not to root'],
    [0, 0o777, 'its permissions are 777, not 755'],
    [0, 0o1777, 'its permissions are 1777, not 755'],
    [0, 0o775, 'its permissions are 775, not 755'],
    [0, 0o700, 'its permissions are 700, not 755'],
  ])('of user %i with permissions %o is refused', (uid, mode, reason) => {
    const fault = faultOf(() => verifyHomes(make('homes', uid, 0, mode)))
    expect(fault.code).toBe('home.owner')
    expect(fault.message).toContain(reason)
  })
})

test.each([
  ['ENOSPC', 'home.full'],
  ['EDQUOT', 'home.full'],
  ['EROFS', 'home.readOnly'],
  ['EIO', 'home.failed'],
  ['ENODEV', 'home.failed'],
  ['EACCES', undefined],
])('%s means %s', (code, fault) => {
  expect(explainHomeError(Object.assign(new Error(code), { code }), '/home')?.code).toBe(fault)
})

test.each([undefined, null, 'ENOSPC', new Error('ENOSPC')])('%o means nothing', (error) => {
  expect(explainHomeError(error, '/home')).toBeUndefined()
})
