import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sealImage } from './seal-image.ts'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ostler-seal-image-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function put(path: string): string {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, 'of the build machine')
  return file
}

test('an image knows nothing of the machine that built it', () => {
  const gone = [
    ...['etc/hostname', 'etc/ssh/ssh_host_rsa_key', 'var/lib/dhcp/lease', 'var/tmp/ostler-image/agent.deb'],
    ...[
      'var/lib/apt/lists/archive_InRelease',
      'var/cache/apt/archives/vim.deb',
      'var/cache/apt/pkgcache.bin',
    ],
    'etc/apt/apt.conf.d/99mmdebstrap',
  ].map(put)
  const empty = ['etc/machine-id', 'var/log/dpkg.log'].map(put)
  const stays = [
    'etc/ostler/vma.conf',
    'etc/ostler/hooks/connect',
    'usr/bin/vim',
    'etc/apt/sources.list',
  ].map(put)
  sealImage(root)
  expect(gone.filter((file) => existsSync(file))).toEqual([])
  for (const file of empty) expect(readFileSync(file, 'utf8')).toBe('')
  expect(stays.filter((file) => !existsSync(file))).toEqual([])
  expect(readdirSync(join(root, 'var/cache/apt'))).toEqual([])
})

test('a number that is missing is still to be drawn', () => {
  mkdirSync(join(root, 'etc'))
  sealImage(root)
  expect(readFileSync(join(root, 'etc/machine-id'), 'utf8')).toBe('')
})

test('a link in place of a folder is not followed', () => {
  const outside = put('outside/letter')
  mkdirSync(join(root, 'system/var'), { recursive: true })
  symlinkSync(join(root, 'outside'), join(root, 'system/var/cache'))
  expect(() => sealImage(join(root, 'system'))).toThrow('var/cache is no folder')
  expect(existsSync(outside)).toBe(true)
})
