import { spawn } from 'node:child_process'
import { endWindowsTree } from './windows-tree.ts'

/** How a program is run. No shell ever stands between us and it. */
export interface RunOptions {
  /** Whole environment of the child; our own is not inherited unless given here. */
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Written to standard input, which is then closed. */
  readonly input?: string
  /** Open files that the program finds as 3, 4, …; they stay open here. */
  readonly files?: readonly number[]
  /** Milliseconds until the whole process group gets TERM, and KILL 2 s later. Default 30 000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
  /** Bytes of each output stream that are kept (the first ones). Default 1 MiB. */
  readonly maxOutput?: number
  /** Called with every piece of either output as it comes. */
  readonly onOutput?: (chunk: Buffer) => void
}

export interface RunResult {
  readonly stdout: string
  readonly stderr: string
}

/** What we knew when a program failed. */
export class RunError extends Error {
  readonly argv: readonly string[]
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly timedOut: boolean
  /** The last 2 kB of standard error. */
  readonly stderr: string

  constructor(argv: readonly string[], how: Omit<RunError, keyof Error | 'argv'>, cause?: unknown) {
    const end = how.timedOut
      ? 'timed out'
      : how.signal !== null
        ? `was ended by ${how.signal}`
        : how.exitCode !== null
          ? `exited with ${how.exitCode}`
          : `could not be started: ${cause instanceof Error ? cause.message : 'unknown reason'}`
    super(`${argv[0] ?? ''} ${end}${how.stderr === '' ? '' : `: ${how.stderr.trim()}`}`, { cause })
    this.name = 'RunError'
    this.argv = argv
    this.exitCode = how.exitCode
    this.signal = how.signal
    this.timedOut = how.timedOut
    this.stderr = how.stderr
  }
}

const KILL_AFTER_MS = 2_000
const PIPE_GRACE_MS = 250
const TAIL_BYTES = 2_048
/** What a program gets when nothing else is said. */
export const DEFAULT_ENV = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
}

/**
 * Runs `command` with `args` in a process group of its own and waits for its end.
 *
 * @returns both outputs as text, when the program exits with 0.
 * @throws RunError when it cannot be started, exits otherwise, is ended by a signal or by the time-out;
 *   the whole group has then been killed.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const argv = [command, ...args]
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: options.env ?? DEFAULT_ENV,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      // Windows has no process groups; detached, it would open a console for each program.
      detached: process.platform !== 'win32',
      windowsHide: true,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(options.files ?? [])],
    })
    const stdout = new Capture(options.maxOutput ?? 1 << 20)
    const stderr = new Capture(options.maxOutput ?? 1 << 20)
    for (const [stream, capture] of [
      [child.stdout, stdout],
      [child.stderr, stderr],
    ] as const)
      stream?.on('data', (chunk: Buffer) => {
        capture.add(chunk)
        options.onOutput?.(chunk)
      })
    child.stdin?.on('error', () => {}) // a program may end without reading its input
    child.stdin?.end(options.input)

    let timedOut = false
    let killTimer: NodeJS.Timeout | undefined
    let ending = false
    const endGroup = (): void => {
      ending = true
      if (process.platform === 'win32') return endWindowsTree(child)
      signalGroup(child.pid, 'SIGTERM')
      killTimer ??= setTimeout(() => signalGroup(child.pid, 'SIGKILL'), KILL_AFTER_MS)
    }
    const deadline = setTimeout(() => {
      timedOut = true
      endGroup()
    }, options.timeoutMs ?? 30_000)
    options.signal?.addEventListener('abort', endGroup, { once: true })
    if (options.signal?.aborted === true) endGroup()

    let grace: NodeJS.Timeout | undefined
    const settle = (exitCode: number | null, signal: NodeJS.Signals | null, cause?: unknown): void => {
      for (const timer of [deadline, killTimer, grace]) clearTimeout(timer)
      options.signal?.removeEventListener('abort', endGroup)
      // Who was told to end and did not heed: a grandchild may outlive the program that we started.
      if (ending) signalGroup(child.pid, 'SIGKILL')
      child.stdout?.destroy()
      child.stderr?.destroy()
      if (exitCode === 0 && !ending) resolve({ stdout: stdout.text(), stderr: stderr.text() })
      else reject(new RunError(argv, { exitCode, signal, timedOut, stderr: stderr.tail() }, cause))
    }
    child.once('error', (error) => settle(null, null, error))
    child.once('close', settle)
    // A grandchild may hold the pipes long after the program has ended: that must not keep us.
    child.once('exit', (exitCode, signal) => {
      grace = setTimeout(() => settle(exitCode, signal), PIPE_GRACE_MS)
    })
  })
}

/** The first bytes of a stream and its last ones; the rest is read and dropped so that the writer never blocks. */
class Capture {
  readonly #chunks: Buffer[] = []
  #room: number
  #last: Buffer = Buffer.alloc(0)

  constructor(limit: number) {
    this.#room = limit
  }

  add(chunk: Buffer): void {
    this.#last = Buffer.concat([this.#last, chunk]).subarray(-TAIL_BYTES)
    if (this.#room <= 0) return
    this.#chunks.push(chunk.subarray(0, this.#room))
    this.#room -= chunk.length
  }

  /** The last 2 kB of everything, also of what was dropped. */
  tail(): string {
    return this.#last.toString('utf8')
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8')
  }
}

/** Signals a whole process group; a group that has already ended is fine. */
function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // it has ended
  }
}
