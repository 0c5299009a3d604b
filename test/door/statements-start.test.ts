import { Fault } from '@ostler/contract/fault.ts'
import type { StartEvent } from '@ostler/contract/timeline.ts'
import type { VmState } from '@ostler/proxy/model/vm-machine.ts'
import { request } from 'node:https'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { get, UPGRADE } from '../fixtures/door.ts'
import { askDoor } from '../fixtures/door-connection.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { greet } from '../fixtures/seat-room.ts'
import { openViewer, type Pass, passOf, type Viewer } from '../fixtures/viewer.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** The way from a desktop at rest to one that shows, with the test as its housekeeping. */

let room: DoorRoom
let pass: Pass
let hostId: number
let desktops = 0

beforeAll(async () => {
  room = await DoorRoom.open({ 'l7r.limit.connections_per_address': '0' })
  await room.addUsers(['ann'], PASSWORD)
  pass = await passOf(room.door, 'ann')
  hostId = (await room.db.selectFrom('host').select('id').executeTakeFirstOrThrow()).id
})
afterAll(async () => await room[Symbol.asyncDispose]())

const viewers: Viewer[] = []
afterEach(async () => {
  for (const viewer of viewers.splice(0)) await viewer.leave()
  await room.db.updateTable('wish').set({ closed_at: new Date() }).where('closed_at', 'is', null).execute()
  await room.db.updateTable('vm').set({ prior: 'stopped', state: 'stopped', host_id: null }).execute()
})

function view(vmId: number): Viewer {
  const viewer = openViewer('nx', room.door, pass, vmId)
  viewers.push(viewer)
  return viewer
}

const heard = (viewer: Viewer): string[] => viewer.heard.map(({ text }) => text)
const untilHeard = (viewer: Viewer, text: string): Promise<void> =>
  until(`"${text}" among ${heard(viewer).join(', ')}`, () => viewer.heard.at(-1)?.text === text)

async function setState(vmId: number, state: VmState): Promise<void> {
  const at = { prior: state, state, host_id: state === 'stopped' ? null : hostId }
  await room.db.updateTable('vm').set(at).where('id', '=', vmId).execute()
  await room.db
    .selectNoFrom((eb) => eb.fn('pg_notify', [eb.val('ostler_vm'), eb.val(String(vmId))]).as('x'))
    .execute()
}

async function restingDesktop(): Promise<number> {
  const { id } = await room.addDesktop('ann', `start${++desktops}`, { display: greet })
  await setState(id, 'stopped')
  return id
}

/** Takes all places for starts. */
async function fillPlaces(): Promise<void> {
  await room.db.updateTable('host').set({ starting_max: 1 }).execute()
  const { id } = await room.addDesktop('ann', `start${++desktops}`)
  await setState(id, 'booting')
}

async function wishesFor(vmId: number) {
  return await room.db
    .selectFrom('wish')
    .select(['kind', 'interactive', 'closed_at', 'outcome'])
    .where('vm_id', '=', vmId)
    .execute()
}

/** QVD's words alone: behind them stands what an administrator finds the failure by. */
function withoutReference(body: string): string {
  expect(body).toMatch(/ \(reference [a-z0-9]{12}\)\r\n$/)
  return body.replace(/ \(reference [a-z0-9]{12}\)/, '')
}

describe('a start', () => {
  test('C-39: while it boots the client hears a 102 again and again, until it runs', async () => {
    const vmId = await restingDesktop()
    await setState(vmId, 'booting')
    const viewer = view(vmId)
    await until('four times the same', () => viewer.heard.length >= 5)
    const texts = heard(viewer)
    expect(texts[0]).toBe('Starting virtual machine')
    expect(new Set(texts.slice(1))).toEqual(new Set(["Waiting for VM to reach state 'running'"]))
    const gaps = viewer.heard.slice(1).map(({ at }, index) => at - (viewer.heard[index]?.at ?? 0))
    console.log(`longest silence: ${Math.round(Math.max(...gaps))} ms`)
    await setState(vmId, 'running')
    expect(await viewer.shown).toBeDefined()
  })

  test('C-38: every 102 has exactly one header, and nothing is between them', async () => {
    const vmId = await restingDesktop()
    const asked = askDoor(room, get(`/qvd/connect_to_vm?id=${vmId}`, 'ann', UPGRADE))
    await until('the wish', async () => (await wishesFor(vmId)).length === 1)
    await room.db
      .updateTable('wish')
      .set({ closed_at: new Date(), outcome: 'no node has enough memory free' })
      .where('vm_id', '=', vmId)
      .execute()
    await setState(vmId, 'stopped')
    const { raw, status, body, interims } = await asked
    expect(interims.length).toBeGreaterThan(0)
    const interim = /HTTP\/1\.1 102 Processing\r\nX-QVD-VM-Info: [^\r\n]+\r\n\r\n/g
    expect(raw.replace(interim, '')).toMatch(/^HTTP\/1\.1 503 /)
    // C-101, as the client hears of it.
    expect([status, withoutReference(body)]).toEqual([
      503,
      'The requested virtual machine is not available: the desktop could not be started: ' +
        'no node has enough memory free, retry later.\r\n',
    ])
  })

  test('whoever waits for a free place is told her position, and of each change', async () => {
    await fillPlaces()
    const [first, second] = [await restingDesktop(), await restingDesktop()]
    const one = view(first)
    await untilHeard(one, 'Waiting for a free slot, position 1')
    const two = view(second)
    await untilHeard(two, 'Waiting for a free slot, position 2')
    await one.leave()
    await until('her wish to be withdrawn', async () => (await wishesFor(first))[0]?.outcome === 'withdrawn')
    await untilHeard(two, 'Waiting for a free slot, position 1')
    const before = two.heard.length
    await until('it to be said again', () => two.heard.length > before + 2)
    await setState(second, 'booting')
    await untilHeard(two, "Waiting for VM to reach state 'running'")
    await setState(second, 'running')
    expect(await two.shown).toBeDefined()
  })

  test('a desktop for which two wait is still wished when one of them goes', async () => {
    await fillPlaces()
    const vmId = await restingDesktop()
    const [one, two] = [view(vmId), view(vmId)]
    await untilHeard(one, 'Waiting for a free slot, position 1')
    await untilHeard(two, 'Waiting for a free slot, position 1')
    await one.leave()
    const open = async (): Promise<number> =>
      (await wishesFor(vmId)).filter(({ closed_at }) => closed_at === null).length
    await until('one wish to be left', async () => (await open()) === 1)
    expect(await wishesFor(vmId)).toContainEqual(
      expect.objectContaining({ kind: 'run', interactive: true, closed_at: null }),
    )
  })

  test('what keeps it is told in place of a position', async () => {
    const vmId = await restingDesktop()
    const held = 'the disk image big is being unpacked'
    await room.db.updateTable('vm').set({ held }).where('id', '=', vmId).execute()
    await untilHeard(view(vmId), `Waiting: ${held}`)
  })

  test('a door that crashes leaves a wish that ends by itself', async () => {
    await fillPlaces()
    const vmId = await restingDesktop()
    await untilHeard(view(vmId), 'Waiting for a free slot, position 1')
    await room.door.crash()
    await room.door.reopen()
    const { expires_at } = await room.db
      .selectFrom('wish')
      .select('expires_at')
      .where('vm_id', '=', vmId)
      .where('closed_at', 'is', null)
      .executeTakeFirstOrThrow()
    expect((expires_at?.getTime() ?? Infinity) - Date.now()).toBeLessThanOrEqual(20_000)
  })

  test('the portal shows the same in its stream of events, and withdraws the wish with the page', async () => {
    await fillPlaces()
    const vmId = await restingDesktop()
    const events: StartEvent[] = []
    const stream = request(
      `https://127.0.0.1:${room.port}/portal/api/desktops/${vmId}/start`,
      { headers: { Cookie: pass.cookie }, rejectUnauthorized: false, agent: false },
      (answer) =>
        answer.on('data', (chunk: Buffer) => {
          for (const line of chunk.toString().split('\n'))
            if (line.startsWith('data: ')) events.push(JSON.parse(line.slice(6)) as StartEvent)
        }),
    )
    stream.on('error', () => {})
    stream.end()
    await until('two events', () => events.length >= 2)
    expect(events.slice(0, 2)).toEqual([
      { kind: 'step', step: 'queued', at: expect.any(String) as string },
      { kind: 'note', text: 'Waiting for a free slot, position 1' },
    ])
    stream.destroy()
    await until('her wish to be withdrawn', async () => (await wishesFor(vmId))[0]?.outcome === 'withdrawn')
  })
})

describe('C-37: a failure after the desktop was acquired is a 503 in the words of QVD', () => {
  test.each([
    [
      new Fault('session.user', { user: 'ann', reason: 'no room' }),
      'the account ann could not be made: no room',
    ],
    [
      new Fault('hook.failed', { file: '/hook', name: 'connect', rc: 3 }),
      'hook /hook for connect failed, rc: 3',
    ],
  ])('%s', async (fault, reason) => {
    const script = { start: () => Promise.reject(fault) }
    const { id } = await room.addDesktop('ann', `start${++desktops}`, script)
    const { status, body } = await askDoor(room, get(`/qvd/connect_to_vm?id=${id}`, 'ann', UPGRADE))
    expect([status, withoutReference(body)]).toEqual([
      503,
      `The requested virtual machine is not available: ${reason}, retry later.\r\n`,
    ])
  })

  test('except where somebody else has taken it: 409 says so, for trying again would take it back', async () => {
    const never = new Promise<never>(() => {})
    let calls = 0
    const { id } = await room.addDesktop('ann', `start${++desktops}`, {
      start: () => {
        calls += 1
        return never
      },
    })
    const loser = view(id)
    await until('her to be at the agent', () => calls === 1)
    view(id)
    expect((await loser.ended).status).toBe(409)
  })
})
