import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { DEFAULT_ENV } from '@ostler/kit/run.ts'
import { confined } from './confined.ts'

export interface QemuStart {
  readonly program: string
  readonly args: readonly string[]
  /** As whom it runs. */
  readonly uid: number
  readonly groups: readonly number[]
  /** Where it runs: it need not be able to reach this place by its name. */
  readonly folder: string
  /** Open files that it finds as 3, 4, …; they stay open here. */
  readonly files: readonly number[]
  /** Gets what QEMU says. One start, one log. */
  readonly log: string
}

/** A QEMU that was just started. */
export interface QemuProcess {
  readonly pid: number
  /** True when it has ended, or could not be started. */
  ended(): boolean
  /** Ends it at once. */
  kill(): void
}

/** Starts QEMU in a session of its own: it lives on when we end. */
export function startQemu({ program, args, uid, groups, folder, files, log }: QemuStart): QemuProcess {
  const inside = confined(uid, groups, [program, ...args])
  const output = openSync(log, 'w', 0o640)
  try {
    const child = spawn(inside.command, inside.args, {
      cwd: folder,
      env: DEFAULT_ENV,
      detached: true,
      stdio: ['ignore', output, output, ...files],
    })
    let failed = false
    child.on('error', () => (failed = true))
    child.unref()
    return {
      pid: child.pid ?? 0,
      ended: () => failed || child.exitCode !== null || child.signalCode !== null,
      kill: () => void child.kill('SIGKILL'),
    }
  } finally {
    closeSync(output)
  }
}

const MAX_WORDS = 4_096

/** The last thing that QEMU has complained about; `undefined` when it said nothing. */
export function lastWords(log: string): string | undefined {
  try {
    const lines = readFileSync(log, 'utf8').slice(-MAX_WORDS).split('\n')
    const said = lines.filter((line) => line.trim() !== '' && !line.includes('warning:')).at(-1)
    return said?.replace(/^qemu-system-\w+: /, '').slice(0, 300)
  } catch {
    return undefined
  }
}
