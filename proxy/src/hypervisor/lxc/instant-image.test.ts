import { filesBelow } from '@ostler/kit/files-below.ts'
import {
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
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { instantImage } from './instant-image.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-instant-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const SECRET = 'SECRET-OF-THE-NODE'
const NODE_FILES: Readonly<Record<string, string>> = {
  'etc/passwd': [
    `root:${SECRET}:0:0:${SECRET}:/root:/bin/bash`,
    'daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin',
    'person:x:1000:1000:A Person:/home/person:/bin/bash',
    'other:x:60001:60001::/home/other:/bin/bash',
    'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
    '',
  ].join('\n'),
  'etc/group': 'root:x:0:person\nshadow:x:42:\nperson:x:1000:\nnogroup:x:65534:\n',
  'etc/shadow': `root:$y$${SECRET}:19000:0:99999:7:::\n`,
  'etc/gshadow': SECRET,
  'etc/machine-id': `${SECRET}\n`,
  'etc/hostname': SECRET,
  'etc/hosts': `10.0.0.1 ${SECRET}\n`,
  'etc/resolv.conf': SECRET,
  'etc/environment': SECRET,
  'etc/ssh/ssh_host_ed25519_key': SECRET,
  'etc/ssl/private/key.pem': SECRET,
  'etc/ssl/certs/ca.pem': 'a public certificate',
  'etc/sudoers': SECRET,
  'etc/krb5.keytab': SECRET,
  'etc/fonts/fonts.conf': '<fonts/>',
  'etc/xdg/openbox/rc.xml': '<openbox/>',
  'etc/xdg/other': SECRET,
  'usr/share/zoneinfo/UTC': 'TZif',
  'var/lib/dpkg/status': 'Package: a\n',
}

/** A fake node with usr-merge, or with a /bin of its own. */
function makeNode(name: string, merged = true): string {
  const node = join(folder, name)
  for (const [path, content] of Object.entries(NODE_FILES)) {
    mkdirSync(dirname(join(node, path)), { recursive: true })
    writeFileSync(join(node, path), content)
  }
  symlinkSync(join(node, 'usr/share/zoneinfo/UTC'), join(node, 'etc/localtime'))
  for (const link of ['bin', 'sbin', 'lib']) if (merged) symlinkSync(`usr/${link}`, join(node, link))
  if (!merged) mkdirSync(join(node, 'bin'))
  return node
}

/** Every path below a folder. */
let layer = ''
beforeAll(() => {
  layer = instantImage(join(folder, 'layers'), makeNode('node'))
})
const read = (name: string): string => readFileSync(join(layer, name), 'utf8')

test('nothing secret of the node is anywhere in the layer', () => {
  const plain = filesBelow(layer).filter((name) => lstatSync(join(layer, name)).isFile())
  expect(plain.length).toBeGreaterThan(5)
  expect(plain.filter((name) => read(name).includes(SECRET))).toEqual([])
})

test('of the node’s /etc only what is on the list is there', () => {
  expect(readdirSync(join(layer, 'etc')).sort()).toEqual(
    [
      ...['default', 'environment', 'fonts', 'fstab', 'group', 'gshadow', 'hosts', 'localtime', 'machine-id'],
      ...['nsswitch.conf', 'os-release', 'ostler', 'pam.d', 'passwd', 'resolv.conf', 'shadow', 'ssl', 'xdg'],
    ].sort(),
  )
  expect(filesBelow(join(layer, 'etc/ssl'))).toEqual(['certs/ca.pem'])
  expect(filesBelow(join(layer, 'etc/xdg'))).toEqual(['openbox/rc.xml'])
})

test('there are system accounts only, without hash and comment', () => {
  expect(read('etc/passwd')).toBe(
    'root:x:0:0::/root:/bin/bash\n' +
      'daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n' +
      'nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n',
  )
  expect(read('etc/group')).toBe('root:x:0:\nshadow:x:42:\nnogroup:x:65534:\n')
})

test('no account has a password, and shadow is closed', () => {
  const lines = read('etc/shadow').trimEnd().split('\n')
  expect(lines.map((line) => line.split(':')[1])).toEqual(['*', '*', '*'])
  expect(statSync(join(layer, 'etc/shadow')).mode & 0o777).toBe(0o600)
})

test('the machine id is new', () => {
  expect(read('etc/machine-id')).toMatch(/^[0-9a-f]{32}\n$/)
  const other = instantImage(join(folder, 'others'), join(folder, 'node'))
  expect(readFileSync(join(other, 'etc/machine-id'), 'utf8')).not.toBe(read('etc/machine-id'))
})

test('the programs are links into /usr, and the time zone is a file', () => {
  expect(['bin', 'sbin', 'lib'].map((name) => readlinkSync(join(layer, name)))).toEqual([
    'usr/bin',
    'usr/sbin',
    'usr/lib',
  ])
  expect(lstatSync(join(layer, 'etc/localtime')).isFile()).toBe(true)
  expect(readdirSync(join(layer, 'usr'))).toEqual([])
})

test('everyone may write to /tmp and delete only what is theirs, and /root is closed', () => {
  expect(statSync(join(layer, 'tmp')).mode & 0o7777).toBe(0o1777)
  expect(statSync(join(layer, 'root')).mode & 0o777).toBe(0o700)
})

test('the same packages give the same layer, changed ones another', () => {
  const layers = join(folder, 'changing')
  const node = makeNode('changing-node')
  const first = instantImage(layers, node)
  expect(instantImage(layers, node)).toBe(first)
  writeFileSync(join(node, 'var/lib/dpkg/status'), 'Package: a\nPackage: b\n')
  expect(instantImage(layers, node)).not.toBe(first)
  expect(readdirSync(layers)).toHaveLength(2)
})

test('a machine without usr-merge is refused and leaves nothing behind', () => {
  const layers = join(folder, 'refused')
  expect(() => instantImage(layers, makeNode('old-node', false))).toThrow(
    expect.objectContaining({
      code: 'image.unusable',
      message: expect.stringContaining('/bin') as string,
    }) as Error,
  )
  expect(readdirSync(layers)).toEqual([])
})
