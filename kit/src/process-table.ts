import { readdirSync, readFileSync, statSync } from 'node:fs'

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number
  /** Start time in clock ticks since boot, field 22 of /proc/PID/stat. */
  readonly startTicks: number
  /** Whose it is. */
  readonly uid: number
}

/** Reads who `pid` is now; `undefined` when there is no such process or it is only waiting to be reaped. */
export function identify(pid: number): ProcessIdentity | undefined {
  return readProcess(pid)?.identity
}

/** The living processes of a session, by the number of its leader, who may have ended. */
export function membersOfSession(session: number): ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((process_) => process_?.session === session)
    .flatMap((process_) => process_?.identity ?? [])
}

function readProcess(pid: number): { identity: ProcessIdentity; session: number } | undefined {
  let stat: string
  let uid: number
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    uid = statSync(`/proc/${pid}`).uid
  } catch {
    return undefined
  }
  // The name in parentheses may hold blanks and parentheses: count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  return { identity: { pid, startTicks: Number(fields[19]), uid }, session: Number(fields[3]) }
}

/** True while exactly this process lives (a zombie does not). */
export function isAlive(process_: ProcessIdentity): boolean {
  const now = identify(process_.pid)
  return now !== undefined && now.startTicks === process_.startTicks
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
