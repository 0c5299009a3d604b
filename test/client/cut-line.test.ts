import { Scope } from '@ostler/kit/scope.ts'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Guest, startGuest } from '../fixtures/guest.ts'
import { openRelay, type Relay } from '../fixtures/relay.ts'
import { type RoomDesktop, SeatRoom } from '../fixtures/seat-room.ts'
import { type NativeClient, openScreen, type XScreen } from '../fixtures/x-screen.ts'
import { until } from '../fixtures/world.ts'

/**
 * What a user sees when her line is cut, or somebody means her session to end: a real session of a real agent behind a
 * real door, shown by nxproxy on a real screen.
 */

const RED = '#b01030'
const PATIENCE_MS = 40_000

const scope = new Scope()
let seats: SeatRoom
let screen: XScreen
let guest: Guest
let desktop: RoomDesktop
let line: Relay

beforeAll(async () => {
  seats = scope.own(await SeatRoom.open())
  screen = scope.own(await openScreen())
  guest = scope.own(
    await startGuest({
      config: ['command.x-session = /etc/paint'],
      files: { '/etc/paint': `#!/bin/sh\nxsetroot -solid '${RED}'\nexec sleep infinity\n` },
    }),
  )
  const agent = guest.link
  if (agent === undefined) throw new Error('this guest has no link')
  desktop = await seats.newDesktop({
    start: (input) => {
      const { parameters } = input as { parameters: Record<string, string> }
      return agent.client.x_start({ display: 'nx', parameters: { ...parameters, 'qvd.vm.user.name': 'ann' } })
    },
    state: () => agent.client.x_state({}),
    display: (socket) => {
      const far = connect({ path: guest.path('/run/ostler/display/nx.sock'), allowHalfOpen: true })
      for (const [one, other] of [
        [socket, far],
        [far, socket],
      ] as const) {
        one.on('error', () => one.destroy())
        one.once('close', () => other.destroy())
        one.pipe(other)
      }
    },
  })
  line = scope.own(await openRelay(seats.doors[0].port))
})
afterAll(async () => await scope.close())
beforeEach(async () => {
  await until('the screen to be free', async () => (await screen.share(RED)) === 0, PATIENCE_MS)
})

async function show(door: { port: number } = line): Promise<NativeClient> {
  const client = screen.connect(door, 'ann', ['--desktop', desktop.name, '--link', 'lan'])
  await until('a picture', async () => (await screen.share(RED)) > 0.3, PATIENCE_MS).catch(
    (cause: unknown) => {
      throw new Error(`no picture; the client said: ${client.said()}`, { cause })
    },
  )
  return client
}

test('a line that is cut is taken up again, and the same session shows', async () => {
  await using client = await show()
  const program = await guest.pidOf('^sleep infinity')
  line.reset()
  await until('it to be said', () => client.said().includes(`Showing ${desktop.name} again.`), PATIENCE_MS)
  await until('the picture again', async () => (await screen.share(RED)) > 0.3, PATIENCE_MS)
  expect(await guest.pidOf('^sleep infinity')).toBe(program)
  client.process.kill('SIGINT')
  expect(await client.ended).toBe(0)
  expect(client.said()).toContain('Disconnected; the desktop goes on without you.')
}, 120_000)

test('so is one whose door has crashed', async () => {
  await using client = await show(seats.doors[0])
  await seats.doors[0].crash()
  await until('it to be said', () => client.said().includes('The line was cut; trying again'), PATIENCE_MS)
  await seats.doors[0].reopen()
  await until(
    'the picture again',
    () => client.said().includes(`Showing ${desktop.name} again.`),
    PATIENCE_MS,
  )
}, 120_000)

test('who is displaced is told by whom, and does not come back', async () => {
  await using first = await show()
  await using second = screen.connect(seats.doors[1], 'ann', ['--desktop', desktop.name, '--link', 'lan'])
  expect(await first.ended).toBe(75)
  expect(first.said()).toMatch(
    /the desktop was opened somewhere else \(ann, in a native client\)\. .*\[desktop\.moved\]/,
  )
  await until('the second to show', () => second.said().includes(`Showing ${desktop.name}.`), PATIENCE_MS)
}, 120_000)

test('whom an administrator sends away is told so, and does not come back', async () => {
  await using client = await show()
  await seats.qa(`vm disconnect_user -f name=${desktop.name}`)
  expect(await client.ended).toBe(75)
  expect(client.said()).toMatch(/the session was disconnected by .+ \[desktop\.disconnected\]/)
}, 120_000)

test('a logout is a good end', async () => {
  await using client = await show()
  await guest.inside('pkill', '-f', '^sleep infinity')
  expect(await client.ended, client.said()).toBe(0)
  expect(client.said()).toContain('The session in the desktop has ended: you logged out')
}, 120_000)

test('who closes the window has left, and the session goes on', async () => {
  await using client = await show()
  const program = await guest.pidOf('^sleep infinity')
  const children = readFileSync(`/proc/${client.process.pid}/task/${client.process.pid}/children`, 'utf8')
  const proxy = children.split(' ').filter(Boolean).map(Number)
  expect(proxy).toHaveLength(1)
  process.kill(proxy[0] ?? 0, 'SIGTERM')
  expect(await client.ended, client.said()).toBe(0)
  expect(client.said()).toMatch(/goes on without you\.\n$/)
  expect(await guest.pidOf('^sleep infinity')).toBe(program)
}, 120_000)

test('a kiosk fills the screen, and comes back whatever ended it', async () => {
  // One that began in a window stays as large as that when it is resumed.
  await guest.endSession()
  const options = ['--desktop', desktop.name, '--link', 'lan']
  await using kiosk = screen.connect(seats.doors[0], 'ann', options, 'kiosk')
  const shown = (times: number) => () => kiosk.said().split(`Showing ${desktop.name}.`).length > times + 1
  await until('a picture', async () => (await screen.share(RED)) > 0.95, PATIENCE_MS)
  await seats.qa(`vm disconnect_user -f name=${desktop.name}`)
  await until('another session', shown(1), PATIENCE_MS)
  expect(kiosk.said()).toMatch(/the session was disconnected by .+ \[desktop\.disconnected\]/)
  await until('the picture again', async () => (await screen.share(RED)) > 0.95, PATIENCE_MS)
  await guest.inside('pkill', '-f', '^sleep infinity')
  await until('a new session', shown(2), PATIENCE_MS)
  kiosk.process.kill('SIGTERM')
  expect(await kiosk.ended, kiosk.said()).toBe(0)
}, 150_000)

test('a network that stays away is given up in the time that was set', async () => {
  await using away = await openRelay(seats.doors[0].port)
  const client = screen.connect(away, 'ann', ['--desktop', desktop.name, '--link', 'lan', '--reconnect', '3'])
  await until('a picture', async () => (await screen.share(RED)) > 0.3, PATIENCE_MS)
  await away[Symbol.asyncDispose]()
  expect(await client.ended).toBe(75)
  expect(client.said()).toMatch(/the line was cut, and could not be mended within 3 s: .*\[client\.cut\]/)
  await client[Symbol.asyncDispose]()
}, 120_000)
