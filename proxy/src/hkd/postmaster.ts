import { comesToHold } from '@ostler/kit/poll.ts'
import { identify, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Children end by themselves when their postmaster is gone, after what they are at. */
const ORPHANS_MS = 10_000
const KILLED_MS = 5_000
const SOCKET_LOCK = '.s.PGSQL.5432.lock'

/** The first process of the server that holds a data folder; `undefined` when none does. */
export function findPostmaster(data: string): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile(data), 'utf8').split('\n')[0])
    // After a power loss the number may be another server's.
    return isServerOf(pid, data) ? pid : undefined
  } catch {
    return undefined
  }
}

/**
 * Clears away what a server leaves that was killed: children that still end, and its pid file. That file names a process and
 * a piece of shared memory; both numbers may be another server's by now, and then PostgreSQL would not start.
 * The locks of its sockets name a process, too, and hold off a new server while that number is alive or only waits to be reaped.
 * Call it when there is no postmaster. The files go only when no process works in the folder any more.
 * @param sockets the folders of its sockets, which no other server has.
 */
export async function clearAfterCrash(data: string, sockets: readonly string[]): Promise<void> {
  const isQuiet = (): boolean => serversOf(data).length === 0
  if (!(await comesToHold(isQuiet, ORPHANS_MS, 50))) {
    for (const server of serversOf(data)) signalProcess(server, 'SIGKILL')
    if (!(await comesToHold(isQuiet, KILLED_MS, 50))) return // PostgreSQL refuses, and says why
  }
  rmSync(pidFile(data), { force: true })
  for (const folder of sockets) rmSync(join(folder, SOCKET_LOCK), { force: true })
}

/** Every process of a server works in its data folder. */
function serversOf(data: string): ProcessIdentity[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isServerOf(Number(name), data))
    .map((name) => identify(Number(name)))
    .filter((server) => server !== undefined)
}

function isServerOf(pid: number, data: string): boolean {
  try {
    const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
    const here = readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data)
    return name === 'postgres' && here && identify(pid) !== undefined
  } catch {
    return false
  }
}

function pidFile(data: string): string {
  return join(data, 'postmaster.pid')
}
