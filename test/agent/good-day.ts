import { isAlive, type SessionState } from '@ostler/contract/session.ts'
import fc from 'fast-check'
import type { Conduct, ScriptedSession } from '../fixtures/scripted-session.ts'
import { eventually, type NxClient } from '../fixtures/session-under-test.ts'
import { PACES } from './scripted-events.ts'

/** What happens on a day on which nothing fails: one after the other, nxagent may stall and everybody may take time. */
export type GoodEvent =
  | { readonly kind: 'start'; readonly display: 'nx' | 'rfb'; readonly joins: boolean }
  | { readonly kind: 'leave' }
  | { readonly kind: 'breakLink' }
  | { readonly kind: 'suspend' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'stall' }
  | { readonly kind: 'restart agent' }
  | { readonly kind: 'hooks'; readonly conduct: Conduct }
  | { readonly kind: 'pace'; readonly pace: (typeof PACES)[number] }
  | { readonly kind: 'pass'; readonly ms: number }

export const anyGoodEvents: fc.Arbitrary<GoodEvent[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('start' as const),
        display: fc.constantFrom('nx', 'nx', 'rfb'),
        joins: fc.constantFrom(true, true, false),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          'leave',
          'breakLink',
          'breakLink',
          'suspend',
          'suspend',
          'stop',
          'stall',
          'restart agent',
        ),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('hooks' as const),
        conduct: fc.constantFrom('works', 'dawdles'),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('pace' as const), pace: fc.constantFrom(...PACES) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('pass' as const),
        ms: fc.constantFrom(1, 100, 1_600, 9_000, 15_000, 70_000),
      }),
    },
  ),
  { minLength: 1, maxLength: 20, size: 'max' },
)

const PARAMETERS = { 'qvd.vm.user.name': 'ann' }

/**
 * Plays such a day: everything that is asked for must come true, and work is lost only where somebody stops the session.
 * @throws Error as soon as something does not.
 */
export async function playGoodDay(desktop: ScriptedSession, events: readonly GoodEvent[]): Promise<void> {
  const { calls, machine } = desktop
  const state = (): SessionState => desktop.session.state
  let client: NxClient | undefined
  let hasWork = false as boolean
  const insist = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(`${what} in ${state()}`)
  }
  const join = async (): Promise<void> => {
    client = desktop.connect()
    await eventually('the client to be let in', () => state() === 'connected', 5_000)
    hasWork = true
  }
  const start = async (display: 'nx' | 'rfb', joins: boolean): Promise<void> => {
    let opened = await calls.x_start({ display, parameters: PARAMETERS })
    while (!opened.ready) opened = await calls.x_start({ display, parameters: PARAMETERS })
    if (display === 'nx') insist(opened.state === 'listening', 'a started session does not listen')
    else insist(isAlive(opened.state), 'there is nothing for a browser to see')
    hasWork ||= display === 'rfb'
    if (!joins || display !== 'nx') return
    await join().catch((error: unknown) => {
      // Slow hooks of several starts have used up the minute for which nxagent waits: it has gone back to sleep this moment.
      if (state() !== 'suspended') throw error
      return start(display, joins)
    })
  }
  for (const event of events) {
    if (event.kind === 'start') await start(event.display, event.joins)
    else if (event.kind === 'leave' || event.kind === 'breakLink') client?.[event.kind]()
    else if (event.kind === 'suspend') {
      const before = state()
      const { state: after } = await calls.x_suspend({})
      if (hasWork) insist(after === 'suspended', `a ${before} session was not suspended`)
    } else if (event.kind === 'stop') {
      insist((await calls.x_stop({})).state === 'stopped', 'a session was not stopped')
      hasWork = false
    } else if (event.kind === 'stall') machine.temper.misdeeds.add('stall')
    else if (event.kind === 'restart agent') await desktop.restartAgent()
    else if (event.kind === 'hooks')
      for (const step of ['pre-connect', 'connect', 'suspend', 'stop'] as const)
        desktop.conduct.set(step, event.conduct)
    else if (event.kind === 'pace') machine.temper.pace = event.pace
    else await desktop.clock.pass(event.ms)
    if (hasWork) insist(machine.current?.isJoined === true && !machine.current.isDead, 'work was lost')
    insist(machine.kills === 0, 'somebody was killed')
  }
}
