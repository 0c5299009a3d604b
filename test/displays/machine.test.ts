import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addFlavour } from '../../proxy/src/store/admin.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { GREEN, type MachineScreen, startMachineScreen } from '../fixtures/machine-screen.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** The screen of a real machine behind the door, in real viewers on a real screen. */

let room: DoorRoom
let machine: MachineScreen
let screen: XScreen

beforeAll(async () => {
  room = await DoorRoom.open()
  machine = await startMachineScreen()
  screen = await openScreen()
  await room.addUsers(['ann'], PASSWORD)
  const size = { memoryMb: 1024, cpuPercent: 100, isApplication: false }
  const flavour = await addFlavour(room.db, { ...size, name: 'machine', displays: ['spice', 'vnc'] })
  const { id } = await room.addDesktop('ann', 'green', {
    display: (socket, kind) => {
      const path = kind === 'spice' || kind === 'vnc' ? machine.sockets[kind] : undefined
      if (path === undefined) return void socket.destroy()
      const there = connect(path)
      there.on('error', () => socket.destroy())
      socket.pipe(there).pipe(socket)
      socket.once('close', () => there.destroy())
    },
  })
  await room.db.updateTable('vm').set({ flavour_id: flavour }).where('id', '=', id).execute()
})
afterAll(async () => {
  await screen[Symbol.asyncDispose]()
  await machine[Symbol.asyncDispose]()
  await room[Symbol.asyncDispose]()
})

const seat = async () => await room.db.selectFrom('seat').selectAll().executeTakeFirst()

test.each([
  ['spice', 'remote-viewer', 'in a SPICE viewer'],
  ['spice', 'spicy', 'in a SPICE viewer'],
  ['vnc', 'xtigervncviewer', 'in a VNC viewer'],
] as const)('%s in %s shows the screen, and leaves nothing behind', async (display, viewer, label) => {
  await using client = screen.connect(room, 'ann', ['--display', display, '--viewer', viewer])
  await until('a picture', async () => (await screen.share(GREEN)) > 0.05, 40_000)
  expect(await seat()).toMatchObject({ state: 'connected', label: `ann, ${label}` })
  client.process.kill('SIGTERM')
  expect(await client.ended, client.said()).toBe(0)
  await until('the seat to be free', async () => (await seat())?.state === 'disconnected')
  await until('the window to go', async () => (await screen.share(GREEN)) === 0)
})

test('whoever opens it elsewhere takes it away with all its channels, and the viewer ends', async () => {
  await using loser = screen.connect(room, 'ann', ['--display', 'spice'])
  await until('a picture', async () => (await screen.share(GREEN)) > 0.05, 40_000)
  await using other = await openScreen()
  await using _winner = other.connect(room, 'ann', ['--display', 'vnc'])
  expect(await loser.ended, loser.said()).toBe(75)
  await until('the window to go', async () => (await screen.share(GREEN)) === 0)
  await until('a picture', async () => (await other.share(GREEN)) > 0.05, 40_000)
})
