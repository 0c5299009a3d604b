import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { doorLog, openRfb, type RfbClient, untilLogged } from '../fixtures/door.ts'
import { startWorld, until, type World } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

let world: World
let screen: XScreen
let vmId: number
let program: number

beforeAll(async () => {
  world = await startWorld()
  screen = world.scope.own(await openScreen())
  vmId = await world.addUser('ann')
})
afterAll(async () => await world[Symbol.asyncDispose]())

type Kind = 'nx' | 'browser'

/** Somebody who looks at the desktop; `lost` resolves with what she was told when she lost it. */
interface Viewer {
  readonly lost: Promise<string>
  leave(): Promise<void>
}

let seats = 0

/** Opens the desktop and waits until something of it was seen. */
async function open(kind: Kind): Promise<Viewer> {
  const seat = ++seats
  if (kind === 'nx') {
    const client = screen.connect(world, 'ann')
    await untilLogged(world, 'stream shows', vmId, seat)
    // A link that is cut in its first moments never was a session: see it through.
    await screen.untilPixel(900, 600, '#2f5d62')
    return {
      lost: client.ended.then(() => client.said()),
      leave: async () => await client[Symbol.asyncDispose](),
    }
  }
  const client = await openRfb(world, 'ann', vmId)
  expect(await client.greeting).toMatch(/^RFB 003/)
  return {
    lost: client.closed.then(({ code, reason }) => `${code} ${reason}`),
    leave: async () => {
      client.close()
      await client.closed
    },
  }
}

describe.each<[Kind, Kind]>([
  ['nx', 'nx'],
  ['nx', 'browser'],
  ['browser', 'nx'],
  ['browser', 'browser'],
])('%s, then %s', (first, second) => {
  test('the second client gets the desktop, the first is cut and told so, and programs live on', async () => {
    const loser = await open(first)
    program = world.processOf(vmId, 'xterm')
    const winner = await open(second)
    const said = await loser.lost
    expect(said).toMatch(
      first === 'nx' ? /opened somewhere else/ : /^4409 the desktop was opened somewhere else/,
    )
    expect(world.processOf(vmId, 'xterm')).toBe(program)
    const end = await untilLogged(world, 'stream ended', vmId, seats - 1)
    expect(end['by']).toBe('cut')
    await winner.leave()
    await untilLogged(world, 'stream ended', vmId, seats)
  })
})

test('of ten simultaneous connects one ends up with the desktop', async () => {
  const clients = await Promise.all(Array.from({ length: 10 }, () => openRfb(world, 'ann', vmId)))
  const [codes, over]: [number[], Set<RfbClient>] = [[], new Set()]
  for (const client of clients)
    void client.closed.then(({ code }) => {
      codes.push(code)
      over.add(client)
    })
  await until('all but one to be told', () => over.size >= clients.length - 1, 50_000)
  const [winner] = clients.filter((client) => !over.has(client))
  expect(await winner?.greeting).toMatch(/^RFB 003/)
  expect(codes).toEqual(Array.from({ length: 9 }, () => 4409))
  for (const client of clients) client.close()
  seats += 10
  expect(
    doorLog(world).filter((line) => line.message === 'seat claimed' && line['vm'] === vmId),
  ).toHaveLength(seats)
})
