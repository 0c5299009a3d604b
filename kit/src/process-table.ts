import { readFileSync } from 'node:fs'

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number
  /** Start time in clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTicks: number
}

/** Reads who `pid` is now; `undefined` when there is no such process or it is only waiting to be reaped. */
export function identify(pid: number): ProcessIdentity | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The name in parentheses may hold blanks and parentheses: count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  return { pid, startTicks: Number(fields[19]) }
}

/** True while exactly this process lives (a zombie does not). */
export function isAlive(process_: ProcessIdentity): boolean {
  return identify(process_.pid)?.startTicks === process_.startTicks
}

/** Sends a signal to exactly this process. Returns false when it has ended. */
export function signalProcess(process_: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(process_)) return false
  try {
    process.kill(process_.pid, signal)
    return true
  } catch {
    return false
  }
}
