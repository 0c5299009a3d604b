import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { run } from '@ostler/kit/run.ts'
import { type Confined, heldOpen, lookedAt } from './confined.ts'
import { PacketWriter } from './packet.ts'
import { ASK, OPEN_FLAG, SAY, STATUS } from './protocol.ts'
import { SftpServer } from './sftp-server.ts'

let folder: string
let root: string
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ostler-sftp-')))
  root = join(folder, 'shared')
  mkdirSync(root)
  writeFileSync(join(folder, 'secret'), 'secret')
  writeFileSync(join(root, 'open'), 'open')
})
afterEach(() => rmSync(folder, { recursive: true }))

type Field = string | Buffer | number | bigint

/** A request: texts and bytes with their length, numbers of 32 and of 64 bits. */
function ask(kind: number, ...fields: readonly Field[]): Buffer {
  const out = new PacketWriter().begin(kind, kind === ASK.init ? undefined : 7)
  for (const field of fields)
    if (typeof field === 'number') out.number(field)
    else if (typeof field === 'bigint') out.large(Number(field))
    else if (typeof field === 'string') out.text(field)
    else out.bytes(field)
  out.end()
  return Buffer.from(out.written.subarray(4))
}

interface Answer {
  readonly kind: number
  /** The first number behind the id: a status's number, a name's count. */
  readonly first: number
  readonly raw: Buffer
}

/** A server that was greeted. */
function server(confine: (root: string) => Confined, readOnly = false) {
  const sftp = new SftpServer(root, readOnly, confine(root))
  const say = (packet: Buffer): Answer => {
    sftp.take(packet)
    const raw = Buffer.from(sftp.answers)
    sftp.sent()
    return { kind: raw[4] ?? 0, first: raw.length >= 13 ? raw.readUInt32BE(9) : -1, raw }
  }
  say(ask(ASK.init, 3))
  const handleOf = ({ raw }: Answer): Buffer => raw.subarray(13)
  return { say, handleOf, [Symbol.dispose]: () => sftp[Symbol.dispose]() }
}

describe.each([
  ['each folder held open', heldOpen],
  ['each folder looked at', lookedAt],
])('with %s', (_, confine) => {
  const OUTSIDE = [
    '../secret',
    '../../etc/shadow',
    'sub/../../secret',
    '/../secret',
    'link/secret',
    'up/secret',
  ]

  beforeEach(() => {
    symlinkSync('..', join(root, 'up'))
    symlinkSync(folder, join(root, 'link'))
    symlinkSync('../secret', join(root, 'file-link'))
    mkdirSync(join(root, 'sub'))
  })

  test.each(OUTSIDE)('no request reaches %s', (path) => {
    using sftp = server(confine)
    const before = readdirSync(folder)
    const requests = [
      ask(ASK.open, path, OPEN_FLAG.read, 0),
      ask(ASK.open, path, OPEN_FLAG.write | OPEN_FLAG.create | OPEN_FLAG.truncate, 0),
      ask(ASK.lstat, path),
      ask(ASK.stat, path),
      ask(ASK.setstat, path, 1, 0n),
      ask(ASK.setstat, path, 4, 0o777),
      ask(ASK.remove, path),
      ask(ASK.mkdir, path, 0),
      ask(ASK.rmdir, path),
      ask(ASK.readlink, path),
      ask(ASK.rename, path, 'stolen'),
      ask(ASK.rename, 'open', path),
      ask(ASK.symlink, 'open', path),
      ask(ASK.extended, 'posix-rename@openssh.com', path, 'stolen'),
      ask(ASK.extended, 'hardlink@openssh.com', path, 'stolen'),
      ask(ASK.extended, 'hardlink@openssh.com', 'open', path),
      ask(ASK.extended, 'statvfs@openssh.com', path),
    ]
    for (const request of requests) expect(sftp.say(request)).toMatchObject({ kind: SAY.status })
    expect(readFileSync(join(folder, 'secret'), 'utf8')).toBe('secret')
    expect(readdirSync(folder)).toEqual(before)
    expect(existsSync(join(root, 'stolen'))).toBe(false)
  })

  test('a link at the end of a path is shown, and never followed', () => {
    using sftp = server(confine)
    expect(sftp.say(ask(ASK.open, 'file-link', OPEN_FLAG.read, 0))).toMatchObject({ kind: SAY.status })
    expect(sftp.say(ask(ASK.opendir, 'link'))).toMatchObject({ kind: SAY.status })
    expect(sftp.say(ask(ASK.setstat, 'file-link', 1, 0n))).toMatchObject({ kind: SAY.status })
    expect(sftp.say(ask(ASK.setstat, 'file-link', 4, 0o777))).toMatchObject({ kind: SAY.status })
    expect(sftp.say(ask(ASK.readlink, 'file-link')).raw.toString('latin1')).toContain('../secret')
    const { kind, raw } = sftp.say(ask(ASK.stat, 'link'))
    expect([kind, raw.readUInt32BE(29) & 0o170000]).toEqual([SAY.attrs, 0o120000])
    expect(readFileSync(join(folder, 'secret'), 'utf8')).toBe('secret')
  })

  test('a link that the desktop makes leads it nowhere', () => {
    using sftp = server(confine)
    expect(sftp.say(ask(ASK.symlink, folder, 'mine')).first).toBe(STATUS.ok)
    expect(sftp.say(ask(ASK.open, 'mine/secret', OPEN_FLAG.read, 0))).toMatchObject({ kind: SAY.status })
  })

  test('what is above the folder looks like the folder', () => {
    using sftp = server(confine)
    const handle = sftp.handleOf(sftp.say(ask(ASK.opendir, '')))
    const { kind, first, raw } = sftp.say(ask(ASK.readdir, handle.subarray(0, 4)))
    expect([kind, first]).toEqual([SAY.name, 2 + 5])
    expect(raw.toString('latin1')).toContain('file-link')
    expect(sftp.say(ask(ASK.readdir, handle.subarray(0, 4))).first).toBe(STATUS.eof)
  })

  test('for reading only, nothing changes', () => {
    using sftp = server(confine, true)
    const requests = [
      ask(ASK.open, 'open', OPEN_FLAG.read | OPEN_FLAG.write, 0),
      ask(ASK.open, 'new', OPEN_FLAG.create, 0),
      ask(ASK.open, 'open', OPEN_FLAG.read | OPEN_FLAG.truncate, 0),
      ask(ASK.remove, 'open'),
      ask(ASK.mkdir, 'new', 0),
      ask(ASK.setstat, 'open', 4, 0o777),
      ask(ASK.rename, 'open', 'new'),
      ask(ASK.symlink, 'open', 'new'),
      ask(ASK.extended, 'posix-rename@openssh.com', 'open', 'new'),
      ask(ASK.extended, 'hardlink@openssh.com', 'open', 'new'),
    ]
    for (const request of requests) expect(sftp.say(request).first).toBe(STATUS.permissionDenied)
    expect(sftp.say(ask(ASK.open, 'open', OPEN_FLAG.read, 0)).kind).toBe(SAY.handle)
  })
})

test('a pipe is not opened, for that would wait for somebody', async () => {
  await run('mkfifo', [join(root, 'pipe')])
  using sftp = server(heldOpen)
  expect(sftp.say(ask(ASK.open, 'pipe', OPEN_FLAG.read, 0)).first).toBe(STATUS.failure)
})

test('nobody gets the bits that lend an identity', () => {
  using sftp = server(heldOpen)
  sftp.say(ask(ASK.setstat, 'open', 4, 0o6777))
  expect(statSync(join(root, 'open')).mode & 0o7777).toBe(0o777)
})

test('requests that end too early, unknown ones and handles that are none are answered, each with a status', () => {
  using sftp = server(heldOpen)
  for (let length = 5; length < 30; length += 1) {
    const cut = ask(ASK.open, 'a name that is longer', OPEN_FLAG.read, 0).subarray(0, length)
    expect(sftp.say(cut).first).toBe(STATUS.badMessage)
  }
  expect(sftp.say(ask(99)).first).toBe(STATUS.unsupported)
  expect(sftp.say(ask(ASK.read, Buffer.from('none'), 0n, 10)).first).toBe(STATUS.failure)
  expect(sftp.say(ask(ASK.read, Buffer.alloc(4), 0n, 10)).first).toBe(STATUS.failure)
  expect(sftp.say(ask(ASK.open, 'a\0b', OPEN_FLAG.read, 0)).kind).toBe(SAY.status)
  const handle = sftp.handleOf(sftp.say(ask(ASK.open, 'open', OPEN_FLAG.read, 0))).subarray(0, 4)
  expect(sftp.say(ask(ASK.read, handle, 2n ** 62n, 0xffff_ffff)).kind).toBe(SAY.status)
})

test('only so many files are open at once', () => {
  using sftp = server(heldOpen)
  const answers = Array.from({ length: 1_001 }, () => sftp.say(ask(ASK.open, 'open', OPEN_FLAG.read, 0)))
  expect(answers.map(({ kind }) => kind).lastIndexOf(SAY.handle)).toBe(999)
})

test('the program ends when what it gets is no SFTP', async () => {
  const program = join(import.meta.dirname, '../../bin/folder-server.ts')
  for (const bytes of [Buffer.alloc(8, 0xff), ask(ASK.lstat, 'open'), Buffer.alloc(4)]) {
    const child = spawn(process.execPath, [program, root, 'rw'], { stdio: ['pipe', 'pipe', 'ignore'] })
    child.stdin.write(bytes)
    child.stdin.on('error', () => {})
    const [code] = (await once(child, 'exit')) as [number]
    expect(code).not.toBe(0)
  }
})
