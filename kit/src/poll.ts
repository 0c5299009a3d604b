import { setTimeout as sleep } from 'node:timers/promises'

/** Asks every `everyMs` until something holds, for at most `withinMs`. Returns whether it came to hold. */
export async function comesToHold(
  holds: () => boolean | Promise<boolean>,
  withinMs: number,
  everyMs: number,
): Promise<boolean> {
  const end = performance.now() + withinMs
  while (!(await holds())) {
    if (performance.now() > end) return false
    await sleep(everyMs)
  }
  return true
}
