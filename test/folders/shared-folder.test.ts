import { POLICY_PARAMETERS } from '@ostler/contract/session-policy.ts'
import { run } from '@ostler/kit/run.ts'
import { SILENT_LINE_MS } from '@ostler/agent/folders/shared-folders.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Duplex, duplexPair } from 'node:stream'
import type { ReadableWritablePair } from 'node:stream/web'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FolderRoom } from '../fixtures/folder-room.ts'
import { until } from '../fixtures/world.ts'

let room: FolderRoom
beforeEach(async () => void (room = await FolderRoom.open()))
afterEach(async () => {
  const { account } = room
  await room[Symbol.asyncDispose]()
  expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(account.name)
})

const link = (): string => join(room.account.home, 'Redirected')

test('a folder of the client stands in the desktop, and is read and written there', async () => {
  const docs = room.folder('docs')
  writeFileSync(join(docs, 'letter'), 'dear ann')
  const { opened } = await room.share({ path: docs })
  expect(opened).toEqual({ name: 'docs', place: '~/Redirected/docs', readOnly: false })
  const place = join(link(), 'docs')
  expect(await room.user('cat', [join(place, 'letter')])).toMatchObject({ code: 0, out: 'dear ann' })
  const work = `cd ${place} && mkdir sub && echo hi > sub/a && mv sub/a b && rm letter && ln -s b c && cat c && df . >&2`
  expect(await room.user('sh', ['-ec', work])).toMatchObject({ code: 0 })
  expect(readdirSync(docs).toSorted()).toEqual(['b', 'c', 'sub'])
  expect(readFileSync(join(docs, 'b'), 'utf8')).toBe('hi\n')
  expect(readlinkSync(join(docs, 'c'))).toBe('b')
})

test('what is written arrives as it was: permissions, times, many bytes, an overwriting and an appending program', async () => {
  const docs = room.folder('docs')
  await room.share({ path: docs })
  const work = [
    'head -c 20000000 /dev/urandom > a && cp -p a b && cmp a b',
    'chmod 600 b && touch -d 2001-02-03T04:05:06Z b && truncate -s 10 b',
    'echo one > log && echo two >> log && echo new > a',
    'ln a hard && test "$(stat -c %h a)" = 1 -o -e hard',
  ].join(' && ')
  const place = room.point('docs')
  expect(await room.user('sh', ['-ec', `cd ${place} && ${work}`])).toMatchObject({ code: 0, out: '' })
  expect(readFileSync(join(docs, 'log'), 'utf8')).toBe('one\ntwo\n')
  expect(readFileSync(join(docs, 'a'), 'utf8')).toBe('new\n')
  expect(statSync(join(docs, 'b')).mode & 0o777).toBe(0o600)
  expect(statSync(join(docs, 'b')).size).toBe(10)
})

test('equal names are told apart, each comes and goes by itself, and nothing is left in the home', async () => {
  const [one, two] = [room.folder('one/docs'), room.folder('two/docs')]
  writeFileSync(join(one, 'mark'), 'one')
  writeFileSync(join(two, 'mark'), 'two')
  const first = await room.share({ path: one })
  const second = await room.share({ path: two })
  expect([first.opened.name, second.opened.name]).toEqual(['docs', 'docs-2'])
  expect(await room.user('cat', [join(link(), 'docs-2/mark')])).toMatchObject({ out: 'two' })
  expect(await room.user('cat', [join(link(), 'docs/mark')])).toMatchObject({ out: 'one' })
  await room.folders.endAll('the test says so')
  expect((await first.ended)?.message).toContain('the test says so')
  expect(room.mounts()).toEqual([])
  expect(lstatSync(link(), { throwIfNoEntry: false })).toBeUndefined()
})

test('something else under the name ~/Redirected is left alone, and an empty folder gives way', async () => {
  mkdirSync(link())
  writeFileSync(join(link(), 'mine'), '')
  const docs = room.folder('docs')
  const { opened } = await room.share({ path: docs })
  expect(opened.place).toBe(room.point('docs'))
  await room.folders.endAll('the test says so')
  expect(readdirSync(link())).toEqual(['mine'])
})

test('a folder for reading only cannot be written, whether the user or the rules say so', async () => {
  const docs = room.folder('docs')
  chmodSync(docs, 0o777)
  const byWish = await room.share({ path: docs, readOnly: true })
  room.pairs = [[POLICY_PARAMETERS.folders, 'ro']]
  const byRule = await room.share({ path: docs })
  expect([byWish.opened.readOnly, byRule.opened.readOnly]).toEqual([true, true])
  for (const name of ['docs', 'docs-2']) {
    const tried = await room.user('touch', [join(room.point(name), 'new')])
    expect(tried).toMatchObject({ code: 1, out: expect.stringContaining('Read-only') as string })
  }
  expect(readdirSync(docs)).toEqual([])
})

test('rules that allow no folders, or some places only, are heeded', async () => {
  const docs = room.folder('docs')
  room.pairs = [[POLICY_PARAMETERS.folders, 'off']]
  await expect(room.share({ path: docs })).rejects.toMatchObject({ code: 'folder.refused' })
  room.pairs = [[POLICY_PARAMETERS.roots, `/media,${room.root}/client/docs`]]
  await expect(room.share({ path: room.folder('docs-not') })).rejects.toMatchObject({
    code: 'folder.refused',
  })
  await expect(room.share({ path: '/media/../etc' })).rejects.toMatchObject({ code: 'folder.refused' })
  const { opened } = await room.share({ path: room.folder('docs/inner') })
  expect(opened.name).toBe('inner')
})

test('when the session suspends nothing is left, and nothing can be written where it was', async () => {
  await room.share({ path: room.folder('docs') })
  await room.share({ path: room.folder('other') })
  expect(room.mounts()).toHaveLength(2)
  const reader = room.start('sh', ['-c', `cd ${room.point('docs')} && exec sleep 60`])
  room.news.set({ state: 'suspended', session: 1 })
  await until('the mounts to go', () => room.mounts().length === 0)
  await until('the folder to go', () => !existsSync(room.point('docs')))
  reader.kill('SIGKILL')
  expect(await room.user('touch', [join(room.point('docs'), 'lost')])).toMatchObject({ code: 1 })
})

test('the place beneath a mount is not writable', async () => {
  await room.share({ path: room.folder('docs') })
  const point = room.point('docs')
  // As it is in the moment in which sshfs has died.
  await run('umount', ['-i', '-l', point])
  expect(await room.user('touch', [join(point, 'lost')])).toMatchObject({ code: 1 })
})

test('file managers show it: GIO lists it among the mounts of the user', async () => {
  // What GIO calls a user without an account: it shows what is mounted below /run/media of that name.
  await using own = await FolderRoom.open({ name: 'somebody' })
  await own.share({ path: own.folder('papers') })
  const listed = await own.user('gio', ['mount', '-l'])
  expect(listed.out).toContain('/run/media/somebody/Redirected/papers')
})

test('5,000 names of all kinds are the same at both ends', async () => {
  const docs = Buffer.from(`${room.folder('docs')}/`)
  const names = Array.from(
    { length: 5_000 },
    (_, index) =>
      [
        Buffer.from(`a name with blanks ${index}`),
        Buffer.from(`ünïcode-日本-${index}`),
        Buffer.from(`latin-\xe4\xf6-${index}`, 'latin1'),
        Buffer.from(`new\nline\n${index}`),
        Buffer.from(`-option ${index} \\ "quoted" $HOME`),
      ].at(index % 5) ?? Buffer.of(),
  )
  for (const name of names) writeFileSync(Buffer.concat([docs, name]), '')
  await room.share({ path: docs.toString() })
  const { out } = await room.user('find', [room.point('docs'), '-type', 'f', '-printf', '%f\\0'], 60_000)
  const sorted = (all: string[]): string[] => all.toSorted()
  expect(sorted(out.split('\0').slice(0, -1))).toEqual(sorted(names.map((name) => name.toString('latin1'))))
})

test('a link in the folder that leads out of it shows nothing of the client', async () => {
  const docs = room.folder('docs')
  const secret = join(room.root, 'client', 'secret')
  writeFileSync(secret, 'of the client', { mode: 0o644 })
  symlinkSync('../secret', join(docs, 'relative'))
  symlinkSync(join(room.root, 'client'), join(docs, 'up'))
  await room.share({ path: docs })
  const tried = await room.user('sh', ['-c', `cd ${room.point('docs')}; cat relative up/../secret; ls up/`])
  expect(tried.out).not.toContain('of the client')
})

test('a raw stream of SFTP is taken as QVD’s clients bring it, with names of another character set', async () => {
  const docs = room.folder('docs')
  writeFileSync(Buffer.concat([Buffer.from(`${docs}/`), Buffer.from('\xe4\xf6', 'latin1')]), 'here')
  const server = spawn('/usr/lib/openssh/sftp-server', [], { cwd: docs, stdio: ['pipe', 'pipe', 'inherit'] })
  const stream = Duplex.from({
    readable: server.stdout,
    writable: server.stdin,
  } as unknown as ReadableWritablePair)
  const request = { name: '/home/u', charset: 'ISO-8859-1', readOnly: false }
  const { ticket } = await room.folders.mount(request, stream, Buffer.alloc(0), { answerMs: SILENT_LINE_MS })
  expect(ticket).toBe('u')
  expect(await room.user('cat', [join(link(), 'u', 'äö')])).toMatchObject({ code: 0, out: 'here' })
  const gone = once(server, 'exit')
  await room.folders.endAll('the test says so')
  await gone
})

test('a character set that would be an option is refused', async () => {
  const [near] = duplexPair()
  const request = { name: 'u', charset: 'x,allow_other', readOnly: false }
  await expect(room.folders.mount(request, near, Buffer.alloc(0))).rejects.toMatchObject({
    code: 'folder.refused',
  })
})
