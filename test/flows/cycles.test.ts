import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectCycles, CUTS } from '../fixtures/connect-cycles.ts'
import { startWorld, type World } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

/** The long form is `npm run cycles -- 200`. */
const CYCLES = 3 * CUTS.length

let world: World
let screen: XScreen

beforeAll(async () => {
  world = await startWorld()
  screen = world.scope.own(await openScreen())
  await world.addUser('ann')
})
afterAll(async () => await world[Symbol.asyncDispose]())

test('however a session is cut, the next client finds the same terminal showing the same', async () => {
  const cycles = await connectCycles(world, screen, 'ann', CYCLES)
  console.log(`first bytes after: ${cycles.map(({ firstBytesMs }) => firstBytesMs).join(', ')} ms`)
  expect(cycles.filter(({ failure }) => failure !== undefined)).toEqual([])
  expect(new Set(cycles.map(({ cut }) => cut))).toEqual(new Set(CUTS))
}, 600_000)
