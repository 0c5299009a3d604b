import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RealSession } from '../fixtures/real-session.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'
import { anyEvent, Player } from './events.ts'
import { illegalSteps } from './session-suite.ts'

/** `npm run test:random` plays two hundred. `OSTLER_SEED` plays the same again. */
const { OSTLER_REAL_RUNS, OSTLER_SEED } = process.env
const RUNS = Number(OSTLER_REAL_RUNS ?? 10)
const SEED = Number(OSTLER_SEED ?? 20_261_121)
/** In real time a long pause tells nothing that a short one does not. */
const LONGEST_MS = 1_100
const LIMIT_MS = 7_200_000

let screen: XScreen

beforeAll(async () => {
  screen = await openScreen()
})
afterAll(async () => {
  await screen[Symbol.asyncDispose]()
})

test(
  `with the real nxagent a session keeps its promises, too: ${RUNS} sequences`,
  { timeout: LIMIT_MS },
  async () => {
    console.log(`again: OSTLER_SEED=${SEED} OSTLER_REAL_RUNS=${RUNS}`)
    const anyEvents = fc.array(anyEvent(LONGEST_MS), { minLength: 2, maxLength: 8 })
    for (const events of fc.sample(anyEvents, { seed: SEED, numRuns: RUNS })) {
      await using desktop = await RealSession.open(screen.display, ['internal.nxagent.timeout.listening = 3'])
      const player = new Player(desktop, false)
      let most = 0
      for (const event of events) {
        await player.play(event)
        most = Math.max(most, await desktop.xAgents())
      }
      await player.becomeQuiet()
      await player.comeToRest()
      const told = JSON.stringify(events)
      expect(player.broken, told).toEqual([])
      expect(illegalSteps(desktop.changes), told).toEqual([])
      expect(most, told).toBeLessThanOrEqual(1)
    }
  },
)
