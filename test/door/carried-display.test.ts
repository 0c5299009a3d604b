import { upgradeApi } from '@ostler/contract/agent-api.ts'
import type { SocketKind } from '@ostler/contract/identity.ts'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { get } from '../fixtures/door.ts'
import { addFlavour } from '../../proxy/src/store/admin.ts'
import { DoorConnection } from '../fixtures/door-connection.ts'
import { DoorRoom, type RoomNode } from '../fixtures/door-room.ts'
import { openViewer, type Pass, passOf, type Viewer } from '../fixtures/viewer.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** Displays of virtual machines, whose sockets are out of the door's sight (docs/decisions/0034). */

let room: DoorRoom
let far: RoomNode
let ann: Pass
let viewers: Viewer[] = []

beforeAll(async () => {
  room = await DoorRoom.open()
  far = await room.openNode('n2')
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
  const { display_nx: nx, display_rfb: rfb, display_rdp: rdp } = upgradeApi
  const upgrades = Object.fromEntries([nx, rfb, rdp].map(({ path }) => [path, take]))
  // Its display folder has its own screen; of sessions it is a trap.
  const display = (socket: Duplex, kind: SocketKind): void =>
    void socket.end(kind === 'spice' || kind === 'vnc' ? 'its own screen' : 'the wrong display')
  const { id } = await room.addDesktop('ann', name, { upgrades, display })
  await room.db.updateTable('vm').set({ hypervisor: 'kvm' }).where('id', '=', id).execute()
  return id
}

function open(kind: 'nx' | 'browser', id: number, door: { readonly port: number } = room.door): Viewer {
  const viewer = openViewer(kind, door, ann, id)
  viewers.push(viewer)
  return viewer
}

function accept(socket: Duplex): void {
  const { protocol } = upgradeApi.display_nx
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`)
}

test.each([
  ['nx', 'its node'],
  ['browser', 'its node'],
  ['nx', 'another node'],
  ['browser', 'another node'],
] as const)(
  '%s at the door of %s: what the agent’s display says and hears goes both ways',
  async (kind, node) => {
    const paths: string[] = []
    const door = node === 'its node' ? room.door : far
    const id = await addMachine(`echo-${kind}-${door.port}`, (request, socket) => {
      paths.push(request.url ?? '')
      accept(socket)
      socket.write('hello')
      socket.pipe(socket)
    })
    const viewer = open(kind, id, door)
    await viewer.shown
    viewer.send('and back')
    await until('the echo', () => viewer.seen() === 'helloand back')
    expect(paths).toEqual([kind === 'nx' ? '/vma/display/nx' : '/vma/display/rfb'])
  },
)

test.each([
  ['rdp', 'a session'],
  ['spice', 'its own screen'],
  ['vnc', 'its own screen'],
])('%s at either door shows %s', async (token, shown) => {
  const id = await addMachine(`token-${token}`, (_, socket) => {
    accept(socket)
    socket.end('a session')
  })
  const displays = ['nx', 'vnc', 'spice', 'rdp'] as const
  const size = { memoryMb: 64, cpuPercent: 5, isApplication: false }
  const flavour_id = await addFlavour(room.db, { ...size, name: token, hypervisor: 'kvm', displays })
  await room.db.updateTable('vm').set({ flavour_id }).where('id', '=', id).execute()
  for (const door of [room.door, far]) {
    using connection = await DoorConnection.open(door)
    const headers = ['Connection: Upgrade', `Upgrade: ${token}`]
    const { status } = await connection.ask(get(`/qvd/connect_to_vm?id=${id}`, 'ann', headers))
    expect(status).toBe(101)
    await connection.bytes((text) => text === shown)
  }
})

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
