import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Guest, startGuest } from '../fixtures/guest.ts'
import { cycleSessions, holdings } from '../fixtures/session-cycles.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

/** `npm run soak` does a thousand. */
const CYCLES = 50

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
    const after = await holdings(guest)
    for (const what of ['descriptors', 'children', 'processes'] as const)
      expect(after[what], what).toBeLessThanOrEqual(before[what])
  },
)
