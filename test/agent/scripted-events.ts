import fc from 'fast-check'
import { NXAGENT_WORDS } from '../fixtures/nxagent-words.ts'
import { type Conduct, type ScriptedSession, STEPS, type Step } from '../fixtures/scripted-session.ts'
import { MISDEEDS, type Misdeed, type Pace, USUAL_PACE } from '../fixtures/scripted-x-agent.ts'
import { anyEvent, type Event, type Player } from './events.ts'

/** What can happen to a session whose X agent and hooks do as they are told. */
export type ScriptedEvent =
  | Event
  | { readonly kind: 'misdeed'; readonly misdeed: Misdeed; readonly on: boolean }
  | { readonly kind: 'conduct'; readonly step: Step; readonly conduct: Conduct }
  | { readonly kind: 'pace'; readonly pace: Pace }
  /** Somebody writes to nxagent's log. */
  | { readonly kind: 'write'; readonly text: string }
  | { readonly kind: 'viewer comes' }
  | { readonly kind: 'viewer goes' }
  | { readonly kind: 'agent dies' }
  | { readonly kind: 'agent is back' }
  | { readonly kind: 'halt' }

const NOISE = [
  'xterm: fatal IO error 11 (Resource temporarily unavailable) or KillClient on X server ":100"\r\n',
  'a line that has not ended',
  '\u0000\u00ff Session: \n',
  `${'x'.repeat(70_000)}\n`,
]

/** nxagent on a bad day: within what was measured, and what its own limits allow. */
export const PACES: readonly Pace[] = [
  USUAL_PACE,
  { ...USUAL_PACE, heard: 0, boots: 1, wakes: 0 },
  { ...USUAL_PACE, suspends: 7_000, breaks: 4_000, greets: 2_000, heard: 50 },
  { ...USUAL_PACE, suspends: 16_000, breaks: 16_000, terminates: 5_000, xinit: 10_000, boots: 3_000 },
]

const misdeed = fc.record({
  kind: fc.constant('misdeed' as const),
  misdeed: fc.constantFrom(...MISDEEDS),
  on: fc.boolean(),
})
const conduct = fc.record({
  kind: fc.constant('conduct' as const),
  step: fc.constantFrom(...STEPS),
  conduct: fc.constantFrom('works', 'works', 'dawdles', 'fails', 'hangs'),
})
const pace = fc.record({ kind: fc.constant('pace' as const), pace: fc.constantFrom(...PACES) })
const noise = fc.record({ kind: fc.constant('write' as const), text: fc.constantFrom(...NOISE) })
const other = fc.record({
  kind: fc.constantFrom('viewer comes', 'viewer goes', 'agent dies', 'agent is back', 'halt'),
})
const forgery = fc.record({
  kind: fc.constant('write' as const),
  text: fc
    .constantFrom(
      NXAGENT_WORDS.began(1),
      NXAGENT_WORDS.waiting(1),
      NXAGENT_WORDS.started,
      NXAGENT_WORDS.resuming,
      NXAGENT_WORDS.left,
      NXAGENT_WORDS.lost,
      NXAGENT_WORDS.suspended,
      NXAGENT_WORDS.terminated,
    )
    .map((lines) => lines.map((line) => `${line}\n`).join('')),
})

/** Longer than all limits of nxagent and of the agent's that it meets. */
const LONGEST_PAUSE_MS = 70_000

/** @param forging whether the user's programs write nxagent's words into its log. */
export function anyScriptedEvents(forging: boolean): fc.Arbitrary<ScriptedEvent[]> {
  const event = fc.oneof(
    { weight: 48, arbitrary: anyEvent(LONGEST_PAUSE_MS) },
    { weight: 6, arbitrary: misdeed },
    { weight: 4, arbitrary: conduct },
    { weight: 1, arbitrary: pace },
    { weight: 2, arbitrary: noise },
    { weight: 4, arbitrary: other },
    { weight: forging ? 12 : 0, arbitrary: forgery },
  )
  return fc.array(event, { minLength: 1, maxLength: 30, size: 'max' })
}

/** Lets one happen. */
export async function playScripted(
  event: ScriptedEvent,
  desktop: ScriptedSession,
  player: Player,
): Promise<void> {
  const { temper } = desktop.machine
  // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check -- what is left is for the player
  switch (event.kind) {
    case 'misdeed':
      if (event.on) temper.misdeeds.add(event.misdeed)
      else temper.misdeeds.delete(event.misdeed)
      return
    case 'conduct':
      return void desktop.conduct.set(event.step, event.conduct)
    case 'pace':
      temper.pace = event.pace
      return
    case 'write':
      return desktop.machine.current?.write(event.text)
    case 'viewer comes':
      return void desktop.viewerComes()
    case 'viewer goes':
      return void desktop.viewerGoes()
    case 'agent dies':
      return void (await desktop.killAgent())
    case 'agent is back':
      return void desktop.reviveAgent()
    case 'halt':
      return void player.watchHalt(desktop.halt())
    default:
      return void (await player.play(event))
  }
}
