import { Fault } from '@ostler/contract/fault.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { Turnstile } from '@ostler/kit/series.ts'
import type { Hypervisor } from './hypervisor.ts'

const UNKNOWN_MS = 5_000

/**
 * Makes a driver safe for callers that do not wait for each other: what changes one desktop goes one after the other,
 * desktops go side by side. A kill does not wait for its turn, and kills again when what was under way has ended: after
 * it nothing runs. An overlay or a run folder is never taken away below a desktop that runs, or may run.
 *
 * @returns the driver; its `prepare`, `release` and `reset` throw Fault `desktop.stillRuns`.
 */
export function inTurn(driver: Hypervisor): Hypervisor {
  const turns = new Map<number, { turnstile: Turnstile; waiting: number }>()
  const pass = async <T>(id: number, operation: () => Promise<T>): Promise<T> => {
    const turn = turns.get(id) ?? { turnstile: new Turnstile(), waiting: 0 }
    turns.set(id, turn)
    turn.waiting += 1
    try {
      return await turn.turnstile.pass(operation)
    } finally {
      turn.waiting -= 1
      if (turn.waiting === 0) turns.delete(id)
    }
  }
  const mustBeGone = async (id: number): Promise<void> => {
    // A driver that was just made may still be looking.
    await comesToHold(() => driver.observe(id).processes !== 'unknown', UNKNOWN_MS, 20)
    const { processes } = driver.observe(id)
    if (processes !== 'absent') throw new Fault('desktop.stillRuns', { desktop: id, processes })
  }
  return {
    ...driver,
    prepare: (spec) =>
      pass(spec.id, async () => {
        await mustBeGone(spec.id)
        await driver.prepare(spec)
      }),
    boot: (spec) => pass(spec.id, () => driver.boot(spec)),
    powerOff: (id) => pass(id, () => driver.powerOff(id)),
    kill: async (id) => {
      if (turns.has(id)) await driver.kill(id)
      await pass(id, () => driver.kill(id))
    },
    release: (id, failed) =>
      pass(id, async () => {
        await mustBeGone(id)
        await driver.release(id, failed)
      }),
    reset: (id) =>
      pass(id, async () => {
        await mustBeGone(id)
        await driver.reset(id)
      }),
  }
}
