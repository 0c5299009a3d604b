import { comesToHold } from '@ostler/kit/poll.ts'
import { identify, isAlive, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { readdirSync, readFileSync, statSync } from 'node:fs'

/**
 * Ends workers of earlier first processes of this door, which have kept their sessions until now.
 * @param withinMs who is not gone after so many milliseconds is killed.
 */
export async function endLeftBehind(withinMs: number): Promise<void> {
  const left = leftBehind()
  for (const worker of left) signalProcess(worker, 'SIGTERM')
  if (await comesToHold(() => !left.some(isAlive), withinMs, 50)) return
  for (const worker of left) signalProcess(worker, 'SIGKILL')
}

/** Processes with our user, our control group and our command line, whose parent is none of those. */
function leftBehind(): ProcessIdentity[] {
  const ours = portrait('self')
  const same = new Set(
    readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && portrait(entry) === ours),
  )
  return [...same]
    .filter((pid) => pid !== String(process.pid) && !same.has(parentOf(pid)))
    .map((pid) => identify(Number(pid)))
    .filter((identity) => identity !== undefined)
}

/** What tells a process of this door from all others; `undefined` when it is gone, or hidden from us. */
function portrait(pid: string): string | undefined {
  try {
    const [group, line = ''] = ['cgroup', 'cmdline'].map((name) =>
      readFileSync(`/proc/${pid}/${name}`, 'latin1'),
    )
    // By which of its names Node was started differs.
    const words = line.slice(line.indexOf('\0'))
    return [statSync(`/proc/${pid}`).uid, group, words].join('\n')
  } catch {
    return undefined
  }
}

function parentOf(pid: string): string {
  try {
    // The name before it may hold anything, but ends with the last bracket.
    return /\) \S (\d+) [^)]*$/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1] ?? ''
  } catch {
    return ''
  }
}
