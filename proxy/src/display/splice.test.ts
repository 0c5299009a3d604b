import { selfSigned } from '@ostler/kit/certificate.ts'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { afterAll, expect, test } from 'vitest'
import { connectDisplay, type DisplaySocket } from './display-socket.ts'
import { splice, type SpliceOptions } from './splice.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-splice-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let pairs = 0
async function socketPair(): Promise<[Socket, Socket]> {
  const path = join(folder, `${++pairs}.sock`)
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(path)
  await once(server, 'listening')
  const near = connect({ path, allowHalfOpen: true })
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [
    [Socket],
    unknown,
  ]
  server.close()
  for (const socket of [near, far]) socket.on('error', () => {})
  return [near, far]
}

/** A display and the program behind it. */
async function displayPair(): Promise<[DisplaySocket, Socket]> {
  const path = join(folder, `${++pairs}.sock`)
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(path)
  await once(server, 'listening')
  const near = connectDisplay({ path })
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near.socket, 'connect')])) as [
    [Socket],
    unknown,
  ]
  server.close()
  far.on('error', () => {})
  return [near, far]
}

/** A splice with a user at one end and a program at the other. */
async function start(options: Partial<SpliceOptions> = {}) {
  const [[client, user], [display, program]] = [await socketPair(), await displayPair()]
  const abort = new AbortController()
  const ended = splice(client, display, { signal: abort.signal, ...options })
  return { client, display: display.socket, user, program, ended, abort }
}

/** Writes bytes in chunks of random sizes. */
async function sendInChunks(socket: Socket, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const size = randomInt(1, 100_000)
    if (!socket.write(bytes.subarray(at, at + size))) await once(socket, 'drain')
    at += size
  }
}

/** Reads so many bytes. */
async function readBytes(socket: Socket, count: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
  })
  socket.resume()
  while (length < count) await once(socket, 'data')
  return Buffer.concat(chunks)
}

/** Reads until the other side closes its half; this half stays open. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).resume()
  await once(socket, 'end')
  return Buffer.concat(chunks)
}

test('bytes go both ways at once, unchanged and in order', async () => {
  const { user, program, abort, ended } = await start()
  const [up, down] = [randomBytes(2_000_003), randomBytes(3_000_001)]
  const [atProgram, atUser] = await Promise.all([
    readBytes(program, up.length),
    readBytes(user, down.length),
    sendInChunks(user, up),
    sendInChunks(program, down),
  ])
  expect(atProgram.equals(up)).toBe(true)
  expect(atUser.equals(down)).toBe(true)
  abort.abort()
  expect(await ended).toMatchObject({ bytesToClient: down.length, bytesToDisplay: up.length })
})

test('what the client sent behind its request comes first', async () => {
  const { user, program, ended } = await start({ head: Buffer.from('head ') })
  user.end('and more')
  expect(String(await readAll(program))).toBe('head and more')
  program.end()
  user.resume()
  expect(await ended).toMatchObject({ bytesToDisplay: 13, bytesToClient: 0, firstByteMs: undefined })
})

test('a half-close is passed on, and the other direction goes on', async () => {
  const { user, program, ended } = await start()
  user.end('request')
  expect(String(await readAll(program))).toBe('request')
  program.end('answer')
  expect(String(await readAll(user))).toBe('answer')
  expect((await ended).by).not.toBe('cut')
})

test('the first byte of the display is told once', async () => {
  let times = 0
  const { user, program, abort, ended } = await start({ onFirstByte: () => (times += 1) })
  for (const word of ['one', 'two']) {
    program.write(word)
    await once(user.resume(), 'data')
  }
  abort.abort()
  expect((await ended).firstByteMs).toBeGreaterThanOrEqual(0)
  expect(times).toBe(1)
})

test('a cut ends both ends', async () => {
  const { client, display, user, program, abort, ended } = await start()
  const closed = Promise.all([once(user.resume(), 'end'), once(program.resume(), 'end')])
  abort.abort()
  expect(await ended).toMatchObject({ by: 'cut' })
  expect([client.destroyed, display.destroyed]).toEqual([true, true])
  await closed
})

test('a signal that has aborted already cuts at once', async () => {
  const { client, display, ended } = await start({ signal: AbortSignal.abort() })
  expect(await ended).toMatchObject({
    by: 'cut',
    bytesToClient: 0,
    bytesToDisplay: 0,
    firstByteMs: undefined,
  })
  expect([client.destroyed, display.destroyed]).toEqual([true, true])
})

test.each(['client', 'display'] as const)('an error of the %s ends both and does not reject', async (by) => {
  const world = await start()
  world[by].destroy(new Error('broken'))
  expect((await world.ended).by).toBe(by)
  expect([world.client.destroyed, world.display.destroyed]).toEqual([true, true])
})

test('a reader that is slow holds the writer back', async () => {
  const { user, program, abort, ended } = await start()
  user.pause()
  program.write(Buffer.alloc(64_000_000))
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(program.writableLength).toBeGreaterThan(0)
  abort.abort()
  expect((await ended).bytesToClient).toBeLessThan(64_000_000)
})

test('a stream without a byte ends after the idle limit, and not before', async () => {
  const { user, program, ended } = await start({ limits: { idleMs: 400, maxMs: 0 } })
  const began = performance.now()
  program.write('one')
  await once(user.resume(), 'data')
  expect((await ended).by).toBe('idle')
  expect(performance.now() - began).toBeGreaterThan(350)
})

test('a stream ends when it is too old, however busy it is', async () => {
  const { user, program, ended } = await start({ limits: { idleMs: 0, maxMs: 200 } })
  user.on('data', () => program.write('and again'))
  program.write('again')
  expect((await ended).by).toBe('age')
})

test('through TLS too, to a reader that stops now and then', async () => {
  const { key, certificate } = await selfSigned(['localhost'], 2)
  const path = join(folder, 'tls.sock')
  const server = createTlsServer({ key, cert: certificate }).listen(path)
  await once(server, 'listening')
  const user = connectTls({ path, rejectUnauthorized: false })
  const [[client]] = (await Promise.all([once(server, 'secureConnection'), once(user, 'secureConnect')])) as [
    [Socket],
    unknown,
  ]
  server.close()
  const [display, program] = await displayPair()
  const ended = splice(client, display, { signal: new AbortController().signal })
  const down = randomBytes(12_000_001)
  const pauses = setInterval(() => {
    user.pause()
    setTimeout(() => user.resume(), 5)
  }, 10)
  const [atUser] = await Promise.all([readBytes(user, down.length), sendInChunks(program, down)])
  clearInterval(pauses)
  expect(atUser.equals(down)).toBe(true)
  user.destroy()
  expect(await ended).toMatchObject({ bytesToClient: down.length, by: 'client' })
})
