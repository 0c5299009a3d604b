import { afterAll, beforeAll, test } from 'vitest'
import { type Guest, startGuest } from '../fixtures/guest.ts'
import { cycleSessions, holdings } from '../fixtures/session-cycles.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

/** `npm run soak` does a thousand. */
const CYCLES = 30

let guest: Guest
let screen: XScreen

beforeAll(async () => {
  guest = await startGuest()
  screen = await openScreen()
})
afterAll(async () => {
  await guest[Symbol.asyncDispose]()
  await screen[Symbol.asyncDispose]()
})

test(
  `after ${CYCLES} sessions the agent holds no more than after the first`,
  { timeout: 600_000 },
  async () => {
    await cycleSessions(guest, screen.display, 1)
    const before = await holdings(guest)
    await cycleSessions(guest, screen.display, CYCLES)
    // A connection that its caller has closed lives a moment longer here.
    let after = before
    const kept = (): boolean =>
      (['descriptors', 'children', 'processes'] as const).every((what) => after[what] <= before[what])
    const settled = async (): Promise<boolean> => {
      after = await holdings(guest)
      return kept()
    }
    await until('everything to be given back', settled).catch((error: unknown) => {
      throw new Error(`before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`, { cause: error })
    })
  },
)
