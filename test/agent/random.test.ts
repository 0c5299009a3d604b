import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { ScriptedSession } from '../fixtures/scripted-session.ts'
import { Player } from './events.ts'
import { anyGoodEvents, playGoodDay } from './good-day.ts'
import { hooksOwed } from './hooks-owed.ts'
import { anyScriptedEvents, playScripted, type ScriptedEvent } from './scripted-events.ts'
import { illegalSteps } from './session-suite.ts'

/**
 * The same sequences each time, so that a change is judged by what it does; `npm run test:random` takes others. `OSTLER_SEED`,
 * `OSTLER_RUNS` and, of a failure, `OSTLER_PATH` play the same ones again.
 */
const { OSTLER_RUNS, OSTLER_SEED, OSTLER_PATH } = process.env
const RUNS = Number(OSTLER_RUNS ?? 10_000)
const SEED = Number(OSTLER_SEED ?? 20_261_121)
const REPLAY = { seed: SEED, ...(OSTLER_PATH === undefined ? {} : { path: OSTLER_PATH }) }

/** A long run of `npm run test:random`. */
const LIMIT_MS = 3_600_000
/** All that a session waits for at once, with its hooks and their limits. */
const DEAD_TIMERS_MS = 1_200_000

const visited = new Set<string>()

test(`whatever happens, a session keeps its promises: ${RUNS} sequences`, { timeout: LIMIT_MS }, async () => {
  console.log(`again: OSTLER_SEED=${SEED} OSTLER_RUNS=${RUNS}`)
  await fc.assert(
    fc.asyncProperty(anyScriptedEvents(false), async (events) => {
      expect(await inVirtualTime((desktop) => honest(desktop, events))).toEqual([])
    }),
    { ...REPLAY, numRuns: RUNS },
  )
})

test('on a good day everything that is asked for comes true', { timeout: LIMIT_MS }, async () => {
  await fc.assert(
    fc.asyncProperty(anyGoodEvents, (events) =>
      inVirtualTime(async (desktop) => {
        await playGoodDay(desktop, events)
        expect(alwaysBroken(desktop)).toEqual([])
      }),
    ),
    { ...REPLAY, numRuns: Math.ceil(RUNS / 5) },
  )
})

test(
  'programs that forge the words of nxagent spoil their own session alone',
  { timeout: LIMIT_MS },
  async () => {
    await fc.assert(
      fc.asyncProperty(anyScriptedEvents(true), async (events) => {
        expect(await inVirtualTime((desktop) => forged(desktop, events))).toEqual([])
      }),
      { ...REPLAY, numRuns: Math.ceil(RUNS / 5) },
    )
  },
)

async function inVirtualTime<T>(play: (desktop: ScriptedSession) => Promise<T>): Promise<T> {
  await using desktop = new ScriptedSession()
  return await desktop.clock.within(play(desktop))
}

/** Plays a sequence to its end. Gives what was broken on the way. */
async function honest(desktop: ScriptedSession, events: readonly ScriptedEvent[]): Promise<string[]> {
  const player = new Player(desktop, true)
  desktop.machine.mayEndWork = () => player.isStopping
  await playAll(events, desktop, player)
  await player.comeToRest()
  const { broken } = player
  if (desktop.machine.seeds > 0) broken.push(`${desktop.machine.seeds} lent screens are left`)
  if (desktop.session.state === 'stopped' && desktop.machine.alive.length > 0)
    broken.push('a stopped session has an X agent')
  broken.push(...(await leftTimers(desktop)), ...(await serveTheNext(desktop)))
  const [ran, owed] = [desktop.stateHooks(), hooksOwed(desktop.story)]
  if (!isDeepStrictEqual(ran, owed)) broken.push(`hooks ${ran.join()} instead of ${owed.join()}`)
  return [...broken, ...alwaysBroken(desktop)]
}

/** The same where the state that is told may be a lie. */
async function forged(desktop: ScriptedSession, events: readonly ScriptedEvent[]): Promise<string[]> {
  const player = new Player(desktop, true)
  await playAll(events, desktop, player)
  return [...player.broken, ...(await serveTheNext(desktop)), ...alwaysBroken(desktop)]
}

async function playAll(
  events: readonly ScriptedEvent[],
  desktop: ScriptedSession,
  player: Player,
): Promise<void> {
  for (const event of events) {
    visited.add(`${event.kind} while ${desktop.session.state}`)
    await playScripted(event, desktop, player)
  }
  desktop.reviveAgent()
  await player.becomeQuiet()
}

/** What an agent leaves running in itself when it lets go of the session. */
async function leftTimers(desktop: ScriptedSession): Promise<string[]> {
  // What earlier ones were waiting for when they died still rings for a while: nobody is there to hear it.
  if (desktop.lives > 1) await desktop.clock.pass(DEAD_TIMERS_MS)
  await desktop.killAgent()
  const left = desktop.timers
  desktop.reviveAgent()
  return left > 0 ? [`${left} timers are left`] : []
}

/** Whatever happened, the session can be ended, and the next one begins. */
async function serveTheNext(desktop: ScriptedSession): Promise<string[]> {
  desktop.behave()
  desktop.machine.mayEndWork = () => true
  const { state } = await desktop.calls.x_stop({})
  if (state !== 'stopped' || desktop.machine.alive.length > 0) return ['the session could not be stopped']
  const next = await desktop.calls.x_start({ display: 'nx', parameters: { 'qvd.vm.user.name': 'eve' } })
  return next.ready && next.state === 'listening' ? [] : [`the next session is ${next.state}`]
}

/** What no lie excuses: wrong steps, sessions without a number of their own, what the X agents have seen. */
function alwaysBroken({ changes, machine }: ScriptedSession): string[] {
  const begun = changes.filter(({ state, life }, index) => {
    const before = changes[index - 1]
    return state === 'starting' && before?.state === 'stopped' && before.life === life
  })
  const miscounted = begun
    .filter(({ session }, index) => session <= (begun[index - 1]?.session ?? 0))
    .map(({ session }) => `there were two sessions ${session}`)
  const countedBack = changes
    .filter(({ session }, index) => session < (changes[index - 1]?.session ?? 0))
    .map(({ session }) => `session ${session} came after a later one`)
  return [...illegalSteps(changes), ...miscounted, ...countedBack, ...machine.broken]
}
