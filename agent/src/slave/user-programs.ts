import type { Account } from '@ostler/kit/passwd.ts'
import { identify, killGroup } from '@ostler/kit/process-table.ts'
import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { sessionEnvironment } from '../desktop/environment.ts'
import type { AsUser } from '../platform/linux/as-user.ts'

/** Starts programs as the user of the session. */
export interface UserPrograms {
  readonly account: Account
  /** Starts one in the background; what it says is nobody's. */
  start(command: string, args: readonly string[]): void
  /** Whether one ends with 0, within five seconds: a file system may hang that only she can see. */
  succeeds(command: string, args: readonly string[]): Promise<boolean>
  /** Gives one the stream as its standard input and output; it ends with the stream. */
  onStream(command: string, args: readonly string[], stream: Duplex, head: Buffer): void
}

const PATIENCE_MS = 5_000
/** How long a program has to end by itself when its stream has gone. */
const GRACE_MS = 2_000

/** @param more what programs find in their environment beside that of a login. */
export function userPrograms(
  account: Account,
  asUser: AsUser,
  more: Readonly<Record<string, string>>,
): UserPrograms {
  const env = { ...sessionEnvironment(account, undefined, 'C.UTF-8'), ...more }
  return {
    account,
    start: (command, args) => {
      const child = asUser(account, command, args, { env, stdio: 'ignore' })
      child.once('error', () => {}) // told by what does not appear
      child.unref()
    },
    succeeds: async (command, args) => {
      const child = asUser(account, command, args, { env, stdio: 'ignore' })
      try {
        const [code] = (await once(child, 'exit', { signal: AbortSignal.timeout(PATIENCE_MS) })) as [
          number | null,
        ]
        return code === 0
      } catch {
        endGroup(child)
        return false
      }
    },
    onStream: (command, args, stream, head) => {
      const child = asUser(account, command, args, { env, stdio: ['pipe', 'pipe', 'ignore'] })
      child.once('error', () => stream.destroy())
      const { stdin, stdout } = child
      if (stdin === null || stdout === null) return void stream.destroy()
      if (head.length > 0) stream.unshift(head)
      Promise.all([pipeline(stream, stdin), pipeline(stdout, stream)])
        .catch(() => {}) // an end that vanished is an end
        .finally(() => stream.destroy())
      stream.once('close', () => {
        const hurry = setTimeout(() => endGroup(child), GRACE_MS)
        child.once('exit', () => clearTimeout(hurry))
        if (child.exitCode !== null || child.signalCode !== null) clearTimeout(hurry)
      })
    },
  }
}

function endGroup(child: ChildProcess): void {
  const found = child.exitCode === null && child.pid !== undefined ? identify(child.pid) : undefined
  if (found !== undefined) killGroup(found)
}
