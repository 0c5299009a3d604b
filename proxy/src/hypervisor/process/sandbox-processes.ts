import { identify, isAlive, type ProcessIdentity } from '@ostler/kit/process-table.ts'
import { readdirSync, readFileSync } from 'node:fs'
import { initCommand } from './sandbox.ts'

/** The processes that hold one sandbox. */
export interface SandboxProcesses {
  /** bubblewrap itself, in our own process namespace. */
  readonly keepers: readonly ProcessIdentity[]
  /** The first process inside: with it ends every other. */
  readonly inits: readonly ProcessIdentity[]
}

/**
 * Finds the processes of a sandbox by their command line. Programs inside may write into theirs what they like, but only a
 * process of our own namespace, or the first one of a namespace below it, is looked at.
 *
 * @param folder the desktop's run folder.
 */
export function findSandbox(folder: string): SandboxProcesses {
  const mark = `\0${initCommand(folder).join('\0')}\0`
  const keepers: ProcessIdentity[] = []
  const inits: ProcessIdentity[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    if (!read(`/proc/${name}/cmdline`).includes(mark)) continue
    const numbers = /^NSpid:\s+(.*)$/m.exec(read(`/proc/${name}/status`))?.[1]?.split(/\s+/) ?? []
    const found = identify(Number(name))
    if (found === undefined) continue
    if (numbers.length === 1) keepers.push(found)
    else if (numbers.length === 2 && numbers[1] === '1') inits.push(found)
  }
  return { keepers, inits }
}

/**
 * Remembers who held a sandbox when it was last looked for, so that a look at one that lives costs one file. What is
 * remembered only saves the search; whether it is still true is looked up each time.
 */
export class KnownSandboxes {
  readonly #known = new Map<string, ProcessIdentity>()

  /** Whether a sandbox lives. */
  isThere(folder: string): boolean {
    const known = this.#known.get(folder)
    if (known !== undefined && isAlive(known)) return true
    const { inits, keepers } = findSandbox(folder)
    const [holder] = [...inits, ...keepers]
    if (holder === undefined) this.#known.delete(folder)
    else this.#known.set(folder, holder)
    return holder !== undefined
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // it has ended
  }
}
