import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { run } from '@ostler/kit/run.ts'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
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
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { settleHome } from './settle-home.ts'

let folder: string
let skeleton: string
beforeEach(() => {
  if (process.getuid?.() !== 0) throw new Error('these tests make homes of others: run them as root')
  folder = mkdtempSync(join(tmpdir(), 'ostler-settle-home-'))
  chmodSync(folder, 0o755)
  skeleton = join(folder, 'skeleton')
  mkdirSync(skeleton)
})
afterEach(async () => {
  await run('umount', [join(folder, 'small')]).catch(() => {}) // it is there in few tests
  rmSync(folder, { recursive: true })
})

function accountAt(...parts: string[]): Account {
  return { name: 'ann', uid: 4711, gid: 4712, home: join(folder, ...parts), shell: '/bin/sh' }
}

function faultOf(settle: () => void): Fault {
  try {
    settle()
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('it found nothing wrong')
}

describe('a home that is missing', () => {
  test('is made from the skeleton, all of it hers, with the same permissions', () => {
    mkdirSync(join(skeleton, '.ssh'), { mode: 0o700 })
    writeFileSync(join(skeleton, '.ssh', 'config'), 'Host *\n', { mode: 0o600 })
    writeFileSync(join(skeleton, 'start'), '#!/bin/sh\n', { mode: 0o755 })
    const ann = accountAt('ann')
    settleHome(ann, skeleton)
    const made = ['.', '.ssh', '.ssh/config', 'start'].map((name) => statSync(join(ann.home, name)))
    expect(made.map(({ uid, gid, mode }) => [uid, gid, mode & 0o7777])).toEqual([
      [4711, 4712, 0o700],
      [4711, 4712, 0o700],
      [4711, 4712, 0o600],
      [4711, 4712, 0o755],
    ])
    expect(readFileSync(join(ann.home, '.ssh', 'config'), 'utf8')).toBe('Host *\n')
  })

  test('has the links of the skeleton as they are there, and they are hers, not what they lead to', () => {
    const ours = join(folder, 'ours')
    writeFileSync(ours, '')
    symlinkSync('.profile', join(skeleton, '.login'))
    symlinkSync(ours, join(skeleton, 'notes'))
    const ann = accountAt('ann')
    settleHome(ann, skeleton)
    expect(readlinkSync(join(ann.home, '.login'))).toBe('.profile')
    expect(readlinkSync(join(ann.home, 'notes'))).toBe(ours)
    expect(lstatSync(join(ann.home, 'notes')).uid).toBe(4711)
    expect(statSync(ours).uid).toBe(0)
  })

  test('can be reached by her also when folders above it were missing', async () => {
    const ann = accountAt('homes', 'faculty', 'ann')
    settleHome(ann, skeleton)
    await run('setpriv', ['--reuid=4711', '--regid=4712', '--clear-groups', '--', 'ls', ann.home])
    expect(statSync(join(folder, 'homes', 'faculty'))).toMatchObject({ uid: 0, gid: 0 })
  })

  test('is made empty on a system that has no skeleton', () => {
    const ann = accountAt('ann')
    settleHome(ann, join(folder, 'no', 'skeleton'))
    expect(readdirSync(ann.home)).toEqual([])
    expect(statSync(ann.home)).toMatchObject({ uid: 4711, gid: 4712 })
  })

  test('on a full drive is a fault, and nothing half-made is left', async () => {
    const small = join(folder, 'small')
    mkdirSync(small)
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'small', small])
    writeFileSync(join(skeleton, 'large'), Buffer.alloc(1 << 20))
    const ann = accountAt('small', 'ann')
    expect(faultOf(() => settleHome(ann, skeleton))).toMatchObject({
      code: 'home.full',
      detail: { place: ann.home },
    })
    expect(existsSync(ann.home)).toBe(false)
  })

  test('on a drive that cannot be written to is a fault', async () => {
    const small = join(folder, 'small')
    mkdirSync(small)
    await run('mount', ['-t', 'tmpfs', '-o', 'ro', 'small', small])
    expect(faultOf(() => settleHome(accountAt('small', 'ann'), skeleton)).code).toBe('home.readOnly')
  })
})

describe('a home that is there', () => {
  test('and empty and of root becomes hers: a mount that nobody has used yet', () => {
    const ann = accountAt('ann')
    mkdirSync(ann.home, { mode: 0o755 })
    writeFileSync(join(skeleton, 'start'), '')
    settleHome(ann, skeleton)
    expect(statSync(ann.home)).toMatchObject({ uid: 4711, gid: 4712 })
    expect(readdirSync(ann.home)).toEqual([])
  })

  test('and hers stays as it is', () => {
    const ann = accountAt('ann')
    mkdirSync(ann.home, { mode: 0o750 })
    chownSync(ann.home, 4711, 100)
    writeFileSync(join(ann.home, 'work'), 'of months')
    writeFileSync(join(skeleton, 'work'), 'none')
    settleHome(ann, skeleton)
    expect(readFileSync(join(ann.home, 'work'), 'utf8')).toBe('of months')
    expect(statSync(join(ann.home, 'work'))).toMatchObject({ uid: 0, gid: 0 })
    expect(statSync(ann.home)).toMatchObject({ uid: 4711, gid: 100 })
  })

  test('and of root with something in it is refused: it may be a folder of the system', () => {
    const ann = accountAt('ann')
    mkdirSync(ann.home)
    writeFileSync(join(ann.home, 'passwd'), '')
    expect(faultOf(() => settleHome(ann, skeleton)).code).toBe('home.owner')
    expect(statSync(ann.home).uid).toBe(0)
  })

  test('and only a link is refused, and not followed', () => {
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    for (const [name, target] of [
      ['ann', empty],
      ['bea', '/no/such/folder'],
    ] as const) {
      const account = accountAt(name)
      symlinkSync(target, account.home)
      expect(faultOf(() => settleHome(account, skeleton)).message).toContain('it is a link')
    }
    expect(statSync(empty).uid).toBe(0)
  })

  test('and a file is refused', () => {
    const ann = accountAt('ann')
    writeFileSync(ann.home, '')
    expect(faultOf(() => settleHome(ann, skeleton)).message).toContain('it is no folder')
  })
})
