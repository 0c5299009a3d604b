import type { Output } from '@ostler/contract/agent-api.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { signIn } from '../fixtures/door.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { Visitor } from '../fixtures/visitor.ts'
import { until } from '../fixtures/world.ts'

/** Browsers that show a desktop, as a door sees them: WebSockets with a cookie. */
let room: DoorRoom
let cookie: string
const scope = new Scope()
const READY: Output<'x_start'> = {
  ready: true,
  state: 'listening',
  userReadyMs: 0,
  displayReadyMs: 0,
  warnings: [],
  hooks: [],
}

beforeAll(async () => {
  room = scope.own(await DoorRoom.open())
  await room.addUsers(['ann'], 'hush')
  cookie = await signIn(room, 'ann', 'hush')
})
afterAll(() => scope.close())

async function openBrowser(desktop: number): Promise<WebSocket> {
  const origin = `https://127.0.0.1:${room.port}`
  const socket = new WebSocket(`wss://127.0.0.1:${room.port}/portal/desktops/${desktop}/display`, 'binary', {
    rejectUnauthorized: false,
    headers: { Cookie: cookie, Origin: origin },
  })
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

test('what a browser sends while its desktop opens reaches the display, all of it and in order', async () => {
  const asked = Promise.withResolvers<unknown>()
  const ready = Promise.withResolvers<Output<'x_start'>>()
  const { id } = await room.addDesktop('ann', 'slow', {
    start: () => {
      asked.resolve(true)
      return ready.promise
    },
  })
  const socket = await openBrowser(id)
  const back: Buffer[] = []
  socket.on('message', (bytes: Buffer) => back.push(bytes))
  // More than the door keeps without anybody who reads it.
  const sent = Array.from({ length: 64 }, (_, index) => Buffer.alloc(8_192, index))
  for (const bytes of sent) socket.send(bytes)
  await asked.promise
  ready.resolve(READY)
  const all = Buffer.concat(sent)
  await until('the echo', () => back.reduce((length, bytes) => length + bytes.length, 0) >= all.length)
  expect(Buffer.concat(back).equals(all)).toBe(true)
  socket.close()
  await once(socket, 'close')
})

test('a browser that leaves while its desktop opens leaves neither a seat nor a connection to the display', async () => {
  const asked = Promise.withResolvers<unknown>()
  const ready = Promise.withResolvers<Output<'x_start'>>()
  let displays = 0
  const { id } = await room.addDesktop('ann', 'left', {
    start: () => {
      asked.resolve(true)
      return ready.promise
    },
    display: (socket) => {
      displays += 1
      socket.once('close', () => (displays -= 1))
      socket.resume()
    },
  })
  const socket = await openBrowser(id)
  await asked.promise
  socket.close()
  await once(socket, 'close')
  ready.resolve(READY)
  await until('the seat to be given back', async () => {
    const row = await room.db
      .selectFrom('seat')
      .select(['state', 'door'])
      .where('vm_id', '=', id)
      .executeTakeFirst()
    return row?.state === 'disconnected' && row.door === null
  })
  await until('the display to be closed', () => displays === 0)
})

test('a number that no desktop can have is an unknown desktop, and no failure of the door', async () => {
  const visitor = new Visitor()
  const headers = { Cookie: cookie, Origin: `https://127.0.0.1:${room.port}` }
  const ask = async (path: string, method: 'GET' | 'POST' = 'GET'): Promise<number> =>
    (await visitor.visit(`https://127.0.0.1:${room.port}${path}`, { method, headers })).status
  for (const number of ['0', '999999999', '9999999999', '99999999999999999999']) {
    expect(await ask(`/portal/desktops/${number}/display.vv`)).toBe(404)
    expect(await ask(`/portal/api/desktops/${number}/start`)).toBe(404)
    expect(await ask(`/portal/api/desktops/${number}/stop`, 'POST')).toBe(404)
    expect(await ask(`/portal/api/desktops/${number}/tunnel?kind=folder`, 'POST')).toBe(404)
  }
  expect(room.door.log().filter((line) => line.message === 'unexpected failure')).toEqual([])
})
