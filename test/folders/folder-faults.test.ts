import { FolderStream } from '@ostler/contract/folder-stream.ts'
import { run } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FolderRoom } from '../fixtures/folder-room.ts'
import { openRelay } from '../fixtures/relay.ts'
import { until } from '../fixtures/world.ts'

const MEGABYTE = 1 << 20

let room: FolderRoom
beforeEach(async () => void (room = await FolderRoom.open()))
afterEach(async () => {
  const { account } = room
  await room[Symbol.asyncDispose]()
  expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(account.name)
  expect(processesOf(account.uid)).toEqual([])
})

/** The command lines of a user's processes, each with its number before it. */
function processesOf(uid: number): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8')
        return status.includes(`Uid:\t${uid}\t`) && !status.includes('State:\tZ')
          ? [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'latin1')}`]
          : []
      } catch {
        return []
      }
    })
}

test('the client is killed while the desktop reads: the reader gets an error, and nothing is left', async () => {
  const docs = room.folder('docs')
  writeFileSync(join(docs, 'large'), Buffer.alloc(200 * MEGABYTE))
  const program = join(import.meta.dirname, '../fixtures/folder-client.ts')
  const client = spawn(process.execPath, [program, String(room.port), docs], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(createInterface(client.stdout), 'line')
  const reading = room.user('sh', ['-c', `while cat ${room.point('bench')}/large; do :; done > /dev/null`])
  await until('the reader to read', () =>
    processesOf(room.account.uid).some((line) => /^\d+ cat\0/.test(line)),
  )
  client.kill('SIGKILL')
  expect((await reading).out).toMatch(/abort|not connected|No such file|Input\/output/)
  await until('the mount to go', () => room.mounts().length === 0)
})

test('a line that carries nothing any more is noticed, and nobody waits in the folder', async () => {
  await using relay = await openRelay(room.port)
  const served = await room.share({ path: room.folder('docs') }, relay.port)
  relay.freeze()
  const { ms, code } = await room.user('ls', [join(room.point('docs'), 'anything')])
  console.log(`a caller waited ${Math.round(ms)} ms`)
  expect(code).not.toBe(0)
  await until('the mount to go', () => room.mounts().length === 0)
  // The client notices for itself, too.
  expect(await served.ended).toMatchObject({ code: 'folder.lost' })
})

test('a line that is slow or still for a while is none that is dead', async () => {
  const docs = room.folder('docs')
  writeFileSync(join(docs, 'a'), 'here')
  await room.share({ path: docs })
  await new Promise((resolve) => setTimeout(resolve, 8_000))
  expect(await room.user('cat', [join(room.point('docs'), 'a')])).toMatchObject({ out: 'here' })
})

test('the shared folder is deleted: its content is gone, and nothing hangs', async () => {
  const docs = room.folder('docs')
  writeFileSync(join(docs, 'a'), '')
  await room.share({ path: docs })
  rmSync(docs, { recursive: true })
  expect(await room.user('cat', [join(room.point('docs'), 'a')])).toMatchObject({ code: 1 })
  expect(await room.user('touch', [join(room.point('docs'), 'b')])).toMatchObject({ code: 1 })
})

test('the disk of the client is full: the program that writes hears it, and what was there is readable', async () => {
  const docs = room.folder('docs')
  await run('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=777', 'tmpfs', docs])
  try {
    writeFileSync(join(docs, 'a'), 'here')
    await room.share({ path: docs })
    const place = room.point('docs')
    const tried = await room.user('dd', [
      'if=/dev/zero',
      `of=${place}/large`,
      'bs=1M',
      'count=16',
      'conv=fsync',
    ])
    expect(tried.code).not.toBe(0)
    expect(await room.user('cat', [join(place, 'a')])).toMatchObject({ out: 'here' })
    await room.folders.endAll('the test says so')
  } finally {
    await until('the server to let go', async () => {
      return await run('umount', [docs]).then(
        () => true,
        () => false,
      )
    })
  }
})

/** A client that says what it likes once it is asked something by SFTP. */
async function hostile(play: (stream: FolderStream, asked: Buffer) => void): Promise<FolderStream> {
  const { stream: socket, head } = await room.stream()
  const stream = new FolderStream(socket, head)
  stream.on('error', () => {})
  stream.on('data', (asked: Buffer) => play(stream, asked))
  stream.say('open', { name: 'evil', path: '/evil', readOnly: false })
  return stream
}

/** SFTP's first answer. */
const VERSION = Buffer.from([0, 0, 0, 5, 2, 0, 0, 0, 3])

test.each([
  ['garbage', () => randomBytes(100_000)],
  ['a length of 4 GB', () => Buffer.from([0xff, 0xff, 0xff, 0xff, 2])],
  ['no length', () => Buffer.alloc(64)],
  [
    'an answer that nobody asked for',
    () => Buffer.concat([VERSION, Buffer.from([0, 0, 0, 9, 101, 9, 9, 9, 9, 0, 0, 0, 0])]),
  ],
])('a client that answers with %s gets no mount, or loses it, and the agent goes on', async (_, answer) => {
  const stream = await hostile((each) => void each.write(answer()))
  await until('its end', () => stream.destroyed)
  await until('the mount to go', () => room.mounts().length === 0)
  const { opened } = await room.share({ path: room.folder('docs') })
  expect(opened.name).toBe('docs')
})

test('a client that lives and does not answer loses its mount', async () => {
  let answers = 0
  // So much as lets the mount stand: the version, then the attributes of the folder.
  const stream = await hostile((each, asked) => {
    const attributes = [0, 0, 0, 9, 105, ...asked.subarray(5, 9), 0, 0, 0, 4, 0, 0, 0x41, 0xed]
    attributes[3] = attributes.length - 4
    answers += 1
    if (answers === 1) each.write(VERSION)
    else if (answers === 2) each.write(Buffer.from(attributes))
  })
  await stream.answered
  const { ms, code } = await room.user('ls', [join(room.point('evil'), 'anything')], 40_000)
  console.log(`a caller waited ${Math.round(ms)} ms`)
  expect(code).not.toBe(0)
  await until('the mount to go', () => room.mounts().length === 0)
})

test.each([
  ['a kind of frame that is none', Buffer.from([9, 0, 0, 0, 1, 1])],
  ['a message of 4 GB', Buffer.from([2, 0xff, 0xff, 0xff, 0xff])],
  ['a wish that is none', Buffer.concat([Buffer.from([2, 0, 0, 0, 2]), Buffer.from('{}')])],
])('a client that begins with %s is cut', async (_, bytes) => {
  const { stream: socket } = await room.stream()
  socket.resume().write(bytes)
  await once(socket, 'close')
  expect(room.mounts()).toEqual([])
})

test('a program of the desktop that stops its sshfs freezes its own folder alone, and not for long', async () => {
  const docs = room.folder('docs')
  chmodSync(docs, 0o777)
  await room.share({ path: docs })
  const [sshfs = ''] = processesOf(room.account.uid).filter((line) => /^\d+ sshfs\0/.test(line))
  process.kill(parseInt(sshfs), 'SIGSTOP')
  await room.folders.endAll('the test says so')
  expect(room.mounts()).toEqual([])
})
