import { faultFromBody } from '@ostler/contract/fault.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import { run, type RunResult } from '@ostler/kit/run.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Calls } from './private-calls.ts'

const OWN_FOLDERS = ['etc', 'home', 'usr', 'var'] as const

/** What is written there vanishes with the last process; nothing of it is mounted on the machine. */
const FURNISH = `
mount -t tmpfs -o mode=755 private /mnt
for folder in ${OWN_FOLDERS.join(' ')}; do
  mkdir -p /mnt/$folder/upper /mnt/$folder/work
  mount -t overlay -o lowerdir=/$folder,upperdir=/mnt/$folder/upper,workdir=/mnt/$folder/work private /$folder
done
mount -t tmpfs -o mode=755 private /run
echo furnished
exec cat
`

/**
 * For tests: the files of this system once more, of which `/etc`, `/home`, `/usr`, `/var` and an empty `/run` are ours to
 * change. Programs of the system that make accounts and the like can be let loose there.
 */
export class PrivateSystem implements AsyncDisposable {
  readonly #keeper: ChildProcess
  readonly #ended: Promise<unknown>

  private constructor(keeper: ChildProcess) {
    this.#keeper = keeper
    this.#ended = new Promise((resolve) => keeper.once('close', resolve))
  }

  /** @throws Error with the words of what failed. */
  static async open(): Promise<PrivateSystem> {
    if (process.getuid?.() !== 0) throw new Error('a private system needs mounts: run these tests as root')
    const keeper = spawn('/usr/bin/unshare', ['--mount', '/bin/sh', '-euc', FURNISH])
    const system = new PrivateSystem(keeper)
    let words = ''
    await new Promise<void>((resolve, reject) => {
      keeper.once('error', reject)
      keeper.once('close', () => reject(new Error(`the private system could not be made: ${words}`)))
      for (const stream of [keeper.stdout, keeper.stderr])
        stream.on('data', (chunk: Buffer) => {
          words += chunk.toString()
          if (words.endsWith('furnished\n')) resolve()
        })
    })
    return system
  }

  /** Runs a program there as root. @throws RunError when it fails. */
  run(command: string, args: readonly string[]): Promise<RunResult> {
    const door = [`--mount=/proc/${this.#keeper.pid ?? 0}/ns/mnt`, '--']
    return run('/usr/bin/nsenter', [...door, command, ...args], { timeoutMs: 60_000 })
  }

  /** Runs lines of shell there. @returns what they print, without the last newline. */
  async shell(lines: string): Promise<string> {
    return (await this.run('/bin/sh', ['-euc', lines])).stdout.trimEnd()
  }

  /** Makes one of our own calls there. @throws Fault as the call does. */
  async call<N extends keyof Calls>(
    name: N,
    ...args: Parameters<Calls[N]>
  ): Promise<Awaited<ReturnType<Calls[N]>>> {
    const program = join(import.meta.dirname, 'private-calls.ts')
    const { stdout } = await this.run(process.execPath, [program, name, JSON.stringify(args)])
    const outcome = JSON.parse(stdout) as { value: Awaited<ReturnType<Calls[N]>> }
    const fault = faultFromBody(outcome)
    if (fault !== undefined) throw fault
    return outcome.value
  }

  read(inside: string): string {
    return readFileSync(join(`/proc/${this.#keeper.pid ?? 0}/root`, inside), 'utf8')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#keeper.stdin?.end()
    await withDeadline('closing the private system', 10_000, () => this.#ended).catch(() => {
      this.#keeper.kill('SIGKILL')
    })
    await this.#ended
  }
}
