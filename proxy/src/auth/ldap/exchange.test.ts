import { Secret } from '@ostler/kit/secret.ts'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { Exchange, type SearchQuestion } from './exchange.ts'
import { DirectoryTrouble } from './trouble.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** An exchange with somebody who behaves as told whenever something comes. */
async function exchangeWith(behave: (socket: Socket, heard: Buffer) => void): Promise<Exchange> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (heard: Buffer) => behave(socket, heard))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1')
  await once(socket, 'connect')
  closers.push(
    () => void socket.destroy(),
    () => void server.close(),
  )
  return new Exchange(socket)
}

const ANYBODY: SearchQuestion = {
  base: '',
  scope: 'sub',
  deref: 'always',
  filter: '(uid=ann)',
  attributes: ['uid'],
  sizeLimit: 2,
  timeLimit: 5,
}
/** `uid=x` without attributes, the end of a search and of a bind; all for the first question. */
const ENTRY = Buffer.from('300e020101640904057569643d783000', 'hex')
const DONE = Buffer.from('300c02010165070a010004000400', 'hex')
const BOUND = Buffer.from('300c02010161070a010004000400', 'hex')

test('no name or no password is never sent', async () => {
  let heard = 0
  const exchange = await exchangeWith((socket, bytes) => {
    heard += bytes.length
    socket.write(BOUND)
  })
  for (const [name, password] of [
    ['', 'x'],
    ['uid=ann', ''],
  ] as const)
    await expect(exchange.bind(name, new Secret(password))).rejects.toThrow('no bind without')
  expect(heard).toBe(0)
  expect(await exchange.bind('uid=ann', new Secret('x'))).toMatchObject({ code: 0 })
})

test('a directory that ignores the limit is counted, and what is too much is dropped', async () => {
  const exchange = await exchangeWith((socket) => {
    for (let hundred = 0; hundred < 1_000; hundred++)
      socket.write(Buffer.concat(Array(100).fill(ENTRY) as Buffer[]))
    socket.write(DONE)
  })
  const { entries, count } = await exchange.search(ANYBODY)
  expect(count).toBe(100_000)
  expect(entries).toHaveLength(2)
})

test('a directory that never comes to an end is cut off', async () => {
  const flood = Buffer.concat(Array(4_096).fill(ENTRY) as Buffer[])
  const exchange = await exchangeWith((socket) => {
    const pour = (): void => {
      while (!socket.destroyed && socket.write(flood));
    }
    socket.on('drain', pour)
    pour()
  })
  await expect(exchange.search(ANYBODY)).rejects.toThrow('answered more than anybody needs')
})

test('answers come in pieces of any size, and those to nobody are passed over', async () => {
  const stray = Buffer.from('300c02016361070a010004000400', 'hex')
  const notice = Buffer.from('300c02010078070a013404000400', 'hex')
  const exchange = await exchangeWith((socket) => {
    socket.setNoDelay(true)
    const bytes = Buffer.concat([stray, notice, ENTRY, DONE])
    const drip = (at: number): void => {
      if (at < bytes.length) socket.write(bytes.subarray(at, at + 1), () => setImmediate(drip, at + 1))
    }
    drip(0)
  })
  expect(await exchange.search(ANYBODY)).toMatchObject({ count: 1, result: { code: 0 } })
})

test('a success of another operation is no answer', async () => {
  const exchange = await exchangeWith((socket) => socket.end(DONE))
  await expect(exchange.bind('uid=ann', new Secret('x'))).rejects.toThrow(DirectoryTrouble)
})

test('what was lost stays lost', async () => {
  let heard = ''
  const exchange = await exchangeWith((socket, bytes) => {
    heard += bytes.toString('latin1')
    socket.destroy()
  })
  await expect(exchange.search(ANYBODY)).rejects.toThrow(DirectoryTrouble)
  await expect(exchange.bind('uid=ann', new Secret('pw-ann'))).rejects.toThrow(DirectoryTrouble)
  expect(heard).not.toContain('pw-ann')
})

test('how aliases are followed reaches the directory', async () => {
  const heard: Buffer[] = []
  const exchange = await exchangeWith((socket, bytes) => {
    heard.push(bytes)
    socket.write(DONE)
  })
  await exchange.search(ANYBODY)
  // The enumerations behind the empty base: sub (2), always (3).
  expect(heard[0]?.toString('hex')).toContain('04000a01020a0103')
})
