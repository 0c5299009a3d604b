import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { DoorRoom } from '../fixtures/door-room.ts'
import { openViewer, type Pass, passOf, type Viewer } from '../fixtures/viewer.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** Displays of virtual machines, whose sockets are out of the door's sight (docs/decisions/0034). */

let room: DoorRoom
let ann: Pass
let viewers: Viewer[] = []

beforeAll(async () => {
  room = await DoorRoom.open()
  await room.addUsers(['ann'], PASSWORD)
  ann = await passOf(room.door, 'ann')
})
afterEach(async () => {
  for (const viewer of viewers) await viewer.leave()
  viewers = []
})
afterAll(() => room[Symbol.asyncDispose]())

/** A desktop that hkd has booted as a virtual machine. Its agent answers each upgrade by `take`. */
async function addMachine(name: string, take: (request: IncomingMessage, socket: Duplex) => void) {
  const upgrades = { [upgradeApi.display_nx.path]: take, [upgradeApi.display_rfb.path]: take }
  // Its display folder is a trap: whoever opens the sockets there finds the wrong display.
  const display = (socket: Duplex): void => void socket.end('the wrong display')
  const { id } = await room.addDesktop('ann', name, { upgrades, display })
  await room.db.updateTable('vm').set({ hypervisor: 'kvm' }).where('id', '=', id).execute()
  return id
}

function open(kind: 'nx' | 'browser', id: number): Viewer {
  const viewer = openViewer(kind, room.door, ann, id)
  viewers.push(viewer)
  return viewer
}

function accept(socket: Duplex): void {
  const { protocol } = upgradeApi.display_nx
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`)
}

test.each(['nx', 'browser'] as const)(
  '%s: what the agent’s display says and hears goes both ways',
  async (kind) => {
    const paths: string[] = []
    const id = await addMachine(`echo-${kind}`, (request, socket) => {
      paths.push(request.url ?? '')
      accept(socket)
      socket.write('hello')
      socket.pipe(socket)
    })
    const viewer = open(kind, id)
    await viewer.shown
    viewer.send('and back')
    await until('the echo', () => viewer.seen() === 'helloand back')
    expect(paths).toEqual([kind === 'nx' ? '/vma/display/nx' : '/vma/display/rfb'])
  },
)

test('bytes that come with the 101 and a long stream arrive whole and in order', async () => {
  const picture = randomBytes(3_000_000)
  const id = await addMachine('long', (_, socket) => {
    accept(socket)
    socket.end(picture)
  })
  const viewer = open('nx', id)
  const { status } = await viewer.ended
  expect(status).toBe(101)
  expect(viewer.seen()).toBe(picture.toString('latin1').slice(-65_536))
})

test('an agent that refuses is tried again until its session has settled', async () => {
  let refusals = 0
  const id = await addMachine('settling', (_, socket) => {
    if (++refusals < 3)
      return void socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n')
    accept(socket)
    socket.write('there')
  })
  const viewer = open('nx', id)
  await viewer.shown
  expect(viewer.seen()).toBe('there')
  expect(refusals).toBe(3)
})

test('an agent that speaks something else is a 503, and the seat is free again', async () => {
  const id = await addMachine('stranger', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: telnet\r\n\r\n')
  })
  const { status, text } = await open('nx', id).ended
  expect(status).toBe(503)
  expect(text).toContain('another protocol')
})
