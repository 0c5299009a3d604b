import type { SeatFate } from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Clock } from '@ostler/kit/clock.ts'
import { type Door, toldFault } from './door.ts'
import type { Terminal } from './terminal.ts'

/** How a reconnect waits. */
export interface Patience {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Seconds until a line that was cut is given up; 0: at once. */
  readonly seconds: number
  /** A number from 0 to 1: many clients of a server that comes back must not come in step. */
  readonly random: () => number
}

/** A door gives a seat back a moment after its stream has ended. */
const SETTLE_MS = 3_000
const SETTLE_POLL_MS = 300
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 15_000

/**
 * Waits until a desktop can be opened again whose line was cut.
 * @param again opens it.
 * @returns what `again` does.
 * @throws Fault that says why there is nothing to come back to: `desktop.sessionOver`, `desktop.moved`,
 *   `desktop.disconnected`, `desktop.limit`; `client.cut` when it took too long; what no patience mends.
 */
export async function comeBack<T>(
  door: Pick<Door, 'fateOf'>,
  seat: string,
  again: () => Promise<T>,
  terminal: Pick<Terminal, 'tell'>,
  { clock, signal, seconds, random }: Patience,
): Promise<T> {
  const until = clock.now() + seconds * 1_000
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      const fault = endIn(await settledFate(door, seat, clock, signal))
      if (fault !== undefined) throw fault
      if (seconds === 0) throw new Fault('client.cut', { seconds, reason: 'client.reconnect.seconds is 0' })
      return await again()
    } catch (error) {
      if (!(error instanceof Fault) || !passes(error)) throw error
      const wait = pause * (0.5 + random())
      if (clock.now() + wait > until) throw new Fault('client.cut', { seconds, reason: error.message })
      terminal.tell(`The line was cut; trying again in ${Math.ceil(wait / 1_000)} s: ${error.message}`)
      await clock.sleep(wait, signal)
    }
  }
}

/** Asks what has become of a seat: a door that still has it may just not have put it down yet, or not know that the line is cut. */
export async function settledFate(
  door: Pick<Door, 'fateOf'>,
  seat: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<SeatFate> {
  const until = clock.now() + SETTLE_MS
  for (;;) {
    const told = await door.fateOf(seat)
    if (told.fate !== 'held' || clock.now() >= until) return told
    await clock.sleep(SETTLE_POLL_MS, signal)
  }
}

/** Why there is nothing to come back to; `undefined` when there is. */
export function endIn(told: SeatFate): Fault | undefined {
  if (told.fate === 'free') return told.isOver ? new Fault('desktop.sessionOver') : undefined
  if (told.fate === 'held') return undefined
  return toldFault(told.why) ?? new Fault('client.ended')
}

/** Failures of networks, and of servers that begin or end: they pass by themselves. */
function passes({ code, status, exitCode }: Fault): boolean {
  if (code === 'client.cut' || code.startsWith('desktop.')) return code === 'desktop.startTimeout'
  return code === 'client.unreachable' || ((status === 503 || status === 429) && exitCode !== 76)
}
