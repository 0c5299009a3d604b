import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { carryDisplay } from './carried-display.ts'

const ANSWER = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ostler-display\r\n\r\n'

let folder: string
let servers: Server[]
let sockets: Socket[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-carried-'))
  servers = []
  sockets = []
})
afterEach(() => {
  for (const socket of sockets) socket.destroy()
  for (const server of servers) server.close()
  rmSync(folder, { recursive: true })
})

async function listen(name: string, onConnection: (socket: Socket) => void): Promise<string> {
  const path = join(folder, name)
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  servers.push(server)
  server.listen(path)
  await once(server, 'listening')
  return path
}

/** A door, and the agent's end of its connection. */
async function doorPair(): Promise<[Socket, Socket]> {
  const accepted = Promise.withResolvers<Socket>()
  const path = await listen('door', (socket) => accepted.resolve(socket))
  const door = connect({ path, allowHalfOpen: true })
  sockets.push(door)
  return [door, await accepted.promise]
}

async function readAll(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket as AsyncIterable<Buffer>) text += chunk.toString()
  return text
}

test('the display’s bytes follow the 101, and what came with the request reaches the display', async () => {
  const [door, agent] = await doorPair()
  const display = await listen('nx.sock', (socket) => void socket.pipe(socket))
  await carryDisplay(display, 'ostler-display', agent, Buffer.from('head,'))
  door.end('rest')
  expect(await readAll(door)).toBe(`${ANSWER}head,rest`)
})

test('when the display closes, so does the connection', async () => {
  const [door, agent] = await doorPair()
  const display = await listen('nx.sock', (socket) => void socket.end('bye'))
  await carryDisplay(display, 'ostler-display', agent, Buffer.alloc(0))
  expect(await readAll(door)).toBe(`${ANSWER}bye`)
})

test('when the door vanishes, the display is left', async () => {
  const [door, agent] = await doorPair()
  const left = Promise.withResolvers<boolean>()
  const display = await listen(
    'nx.sock',
    (socket) => void socket.resume().once('end', () => left.resolve(true)),
  )
  await carryDisplay(display, 'ostler-display', agent, Buffer.alloc(0))
  door.destroy()
  expect(await left.promise).toBe(true)
})

test('a link, a file or nothing in place of the display is refused before anything is said', async () => {
  const [door, agent] = await doorPair()
  const other = await listen('other.sock', (socket) => void socket.end('not yours'))
  symlinkSync(other, join(folder, 'link.sock'))
  writeFileSync(join(folder, 'file'), '')
  for (const name of ['link.sock', 'file', 'none'])
    await expect(
      carryDisplay(join(folder, name), 'ostler-display', agent, Buffer.alloc(0)),
    ).rejects.toMatchObject({ code: 'session.busy' })
  agent.end()
  expect(await readAll(door)).toBe('')
})
