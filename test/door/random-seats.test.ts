import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KINDS, PATIENCE_MS, type RoomDesktop, SeatRoom } from '../fixtures/seat-room.ts'
import type { Viewer } from '../fixtures/viewer.ts'
import { until } from '../fixtures/world.ts'

/**
 * Random sequences over two doors and three desktops, the same ones each time; `OSTLER_SEED` and `OSTLER_RUNS` take
 * others. After every step the seat is the one that the model has, and after a sequence all of them are.
 */
const SEED = Number(process.env['OSTLER_SEED'] ?? 20_261_121)
const RUNS = Number(process.env['OSTLER_RUNS'] ?? 100)
const LIMIT_MS = 3_600_000

type Act =
  | { readonly act: 'connect'; readonly door: 0 | 1; readonly kind: (typeof KINDS)[number] }
  | { readonly act: 'leave' }
  | { readonly act: 'disconnect' }

type Step =
  { readonly desktop: number; readonly at: 'once'; readonly acts: readonly Act[] } | { readonly kill: 0 | 1 }

const anyDoor = fc.constantFrom<0 | 1>(0, 1)
const anyAct = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constant('connect' as const),
      door: anyDoor,
      kind: fc.constantFrom(...KINDS),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ act: 'leave' } as const) },
  { weight: 1, arbitrary: fc.constant({ act: 'disconnect' } as const) },
)
/** One thing after the other, or several at once, at one desktop. */
const anyActs = fc.record({
  desktop: fc.nat(2),
  at: fc.constant('once' as const),
  acts: fc.oneof(
    { weight: 2, arbitrary: fc.tuple(anyAct) },
    { weight: 1, arbitrary: fc.array(anyAct, { minLength: 2, maxLength: 5 }) },
  ),
})
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 40, arbitrary: anyActs },
  { weight: 1, arbitrary: fc.record({ kill: anyDoor }) },
)

/** What the model knows of one desktop. */
interface Place {
  readonly desktop: RoomDesktop
  /** Who sees it. */
  viewer: Viewer | undefined
  door: 0 | 1
  /** Its door was killed, and the lease stands. */
  lapses: boolean
}

let seats: SeatRoom
let places: Place[]
beforeAll(async () => {
  seats = await SeatRoom.open()
  const desktops = [await seats.newDesktop(), await seats.newDesktop(), await seats.newDesktop()]
  places = desktops.map((desktop) => ({ desktop, viewer: undefined, door: 0, lapses: false }))
})
afterAll(async () => await seats[Symbol.asyncDispose]())

test(
  `whatever happens, the seats are what the model says: ${RUNS} sequences`,
  { timeout: LIMIT_MS },
  async () => {
    console.log(`again: OSTLER_SEED=${SEED} OSTLER_RUNS=${RUNS}`)
    const anySequence = fc.array(anyStep, { minLength: 3, maxLength: 10 })
    const counts = { connects: 0, kills: 0 }
    for (const [number, steps] of fc.sample(anySequence, { seed: SEED, numRuns: RUNS }).entries()) {
      try {
        for (const step of steps) {
          if ('kill' in step) {
            await kill(step.kill)
            counts.kills++
          } else {
            await play(placeAt(step.desktop), step.acts)
            counts.connects += step.acts.filter(({ act }) => act === 'connect').length
          }
          for (const place of places) await expectAsModelled(place)
        }
        for (const place of places) await clear(place)
      } catch (cause) {
        throw new Error(`sequence ${number}: ${JSON.stringify(steps)}`, { cause })
      }
    }
    console.log(`${counts.connects} connects, ${counts.kills} doors killed`)
  },
)

function placeAt(index: number): Place {
  const place = places[index]
  if (place === undefined) throw new Error('no such desktop')
  return place
}

/** Does some things at once to one desktop, and puts into the model what must have come of it. */
async function play(place: Place, acts: readonly Act[]): Promise<void> {
  const before = place.viewer
  const taken = before !== undefined || place.lapses
  const came: { viewer: Viewer; door: 0 | 1 }[] = []
  const orders = await Promise.all(
    acts.map(async (each) => {
      if (each.act === 'leave') await before?.leave()
      else if (each.act === 'connect') {
        const viewer = seats.view(each.kind, seats.doors[each.door], place.desktop)
        came.push({ viewer, door: each.door })
        await Promise.race([viewer.shown, viewer.ended])
      } else
        return await seats.qa(`vm disconnect -f name=${place.desktop.name}`).then(
          () => 'done' as const,
          (error: unknown) => {
            expect(error).toMatchObject({ code: 'desktop.nobodyThere' })
            return 'nobody' as const
          },
        )
      return undefined
    }),
  )
  const over = new Set<Viewer>()
  const all = [...(before === undefined ? [] : [before]), ...came.map(({ viewer }) => viewer)]
  for (const viewer of all) void viewer.ended.then(() => over.add(viewer))
  const left = (): Viewer[] => all.filter((viewer) => !over.has(viewer))
  await until(
    'all but one at most to be out',
    async () => {
      const row = await seats.rowOf(place.desktop)
      const [one, ...more] = left()
      if (more.length > 0) return false
      return one === undefined
        ? row === undefined || row.state === 'disconnected' || (came.length === 0 && place.lapses)
        : row?.state === 'connected'
    },
    PATIENCE_MS,
  )
  const [viewer] = left()
  const connects = came.length
  const disconnects = acts.filter(({ act }) => act === 'disconnect').length
  const leaves = acts.some(({ act }) => act === 'leave')
  // Where the order of things decides, what came of it is taken over; where it does not, it is known.
  if (disconnects === 0 && connects > 0) expect(viewer).not.toBe(undefined)
  if (disconnects === 0 && connects === 0 && !leaves) expect(viewer).toBe(before)
  if (connects > 0 || leaves || disconnects > 0) expect(viewer === undefined || viewer !== before).toBe(true)
  if (connects === 0 && disconnects === 1 && !leaves) expect(orders[0]).toBe(taken ? 'done' : 'nobody')
  place.viewer = viewer
  place.door = came.find((each) => each.viewer === viewer)?.door ?? place.door
  if (connects > 0 || disconnects > 0) place.lapses = false
}

async function kill(door: 0 | 1): Promise<void> {
  await seats.doors[door].crash()
  for (const place of places) {
    if (place.viewer === undefined || place.door !== door) continue
    await place.viewer.ended
    place.viewer = undefined
    place.lapses = true
  }
  await seats.doors[door].reopen()
}

async function expectAsModelled(place: Place): Promise<void> {
  const { desktop, viewer, lapses } = place
  if (viewer !== undefined) await seats.untilAlive(viewer)
  const row = await seats.rowOf(desktop)
  const state = viewer !== undefined || lapses ? 'connected' : 'disconnected'
  expect(row?.state ?? 'disconnected').toBe(state)
  if (viewer !== undefined) expect(row?.door).toMatch(new RegExp(`/${seats.doors[place.door].process.pid}$`))
  expect(await seats.userState(desktop)).toBe(state)
}

/** Leaves the desktop as nobody's for the next sequence. */
async function clear(place: Place): Promise<void> {
  await place.viewer?.leave()
  // The time of a lease, in no time.
  if (place.lapses)
    await seats.room.db
      .updateTable('seat')
      .set({ lease_until: new Date(Date.now() - 1_000) })
      .where('vm_id', '=', place.desktop.id)
      .execute()
  place.viewer = undefined
  place.lapses = false
  await seats.untilState(place.desktop, 'disconnected')
  await until('the row to be free', async () => (await seats.rowOf(place.desktop))?.state !== 'connected')
}
