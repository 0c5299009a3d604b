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
  return allProcesses()
    .filter((process_) => process_.session === session)
    .map((process_) => process_.identity)
}

interface ProcessEntry {
  readonly identity: ProcessIdentity
  /** The numbers of its process group and of its session. */
  readonly group: number
  readonly session: number
}

function readProcess(pid: number): ProcessEntry | undefined {
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
  const identity = { pid, startTicks: Number(fields[19]), uid }
  return { identity, group: Number(fields[2]), session: Number(fields[3]) }
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

/**
 * Kills what is left of the process group that `leader` led, also when the leader itself has ended: processes of the same user
 * alone.
 */
export function killGroup(leader: ProcessIdentity): void {
  for (const { identity, group } of allProcesses())
    if (group === leader.pid && identity.uid === leader.uid) signalProcess(identity, 'SIGKILL')
}

function allProcesses(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? [])
}
