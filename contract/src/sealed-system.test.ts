import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { seal } from './sealed-system.ts'

let folder: string
let root: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-seal-'))
  root = join(folder, 'root')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function put(path: string, text = 'of this one system'): string {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  return file
}

test('what makes a system this one is gone, and programs and settings stay', () => {
  const gone = [
    'var/lib/dbus/machine-id',
    'etc/ssh/ssh_host_ed25519_key',
    'etc/ssh/ssh_host_ed25519_key.pub',
    'var/lib/dhcp/dhclient.eth0.leases',
    'home/ann/letter',
    'root/.bash_history',
    'tmp/x/y',
  ].map((path) => put(path))
  const emptied = ['etc/machine-id', 'var/log/syslog', 'var/log/apt/history.log'].map((path) => put(path))
  const kept = ['etc/ssh/sshd_config', 'usr/bin/office', 'etc/hostname.template'].map((path) => put(path))
  seal(root)
  expect(gone.filter((file) => existsSync(file))).toEqual([])
  expect(emptied.map((file) => readFileSync(file, 'utf8'))).toEqual(['', '', ''])
  expect(kept.every((file) => readFileSync(file, 'utf8') === 'of this one system')).toBe(true)
})

test('sealing twice is sealing once', () => {
  put('etc/machine-id')
  seal(root)
  expect(seal(root)).toBe(1)
})

test.each([
  ['etc/ssh', 'a folder'],
  ['var/log', 'a folder'],
  ['etc/machine-id', 'a file'],
])('%s that is a link to %s outside is refused, and nothing outside is touched', (path, kind) => {
  const outside = join(folder, 'outside')
  mkdirSync(outside)
  const theirs = join(outside, 'ssh_host_rsa_key')
  writeFileSync(theirs, 'of the node')
  mkdirSync(dirname(join(root, path)), { recursive: true })
  symlinkSync(kind === 'a file' ? theirs : outside, join(root, path))
  expect(() => seal(root)).toThrow(/is no (folder|file)/)
  expect(readFileSync(theirs, 'utf8')).toBe('of the node')
})

test('links among what is removed are removed themselves', () => {
  const theirs = join(folder, 'theirs')
  writeFileSync(theirs, 'of the node')
  put('tmp/one')
  symlinkSync(theirs, join(root, 'tmp/link'))
  symlinkSync(theirs, join(put('var/log/syslog'), '../link'))
  seal(root)
  expect(existsSync(join(root, 'tmp/link'))).toBe(false)
  expect(readFileSync(theirs, 'utf8')).toBe('of the node')
})
