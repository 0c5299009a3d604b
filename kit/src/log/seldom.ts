import type { Log } from '../log.ts'

/**
 * Warns of what anybody can cause, as often as she likes, without giving her the log: so many lines at most in so many
 * milliseconds. The first line after some were left out says how many, as `leftOut`.
 */
export function warnSeldom(
  log: Pick<Log, 'warn'>,
  { lines, everyMs }: { readonly lines: number; readonly everyMs: number },
): (message: string, fields: Readonly<Record<string, unknown>>) => void {
  let began = -Infinity
  let written = 0
  let leftOut = 0
  return (message, fields) => {
    const now = performance.now()
    if (now - began >= everyMs) [began, written] = [now, 0]
    if (written >= lines) {
      leftOut++
      return
    }
    written++
    log.warn(message, leftOut === 0 ? fields : { ...fields, leftOut })
    leftOut = 0
  }
}
