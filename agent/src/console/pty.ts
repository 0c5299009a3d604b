import { MAX_SIDE, type TerminalSize } from '@ostler/contract/console-frames.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { dirname, extname, join } from 'node:path'
import type { Duplex, Readable } from 'node:stream'
import { DATA_FD, type FromHost, type TerminalProgram, type ToHost } from './pty-host.ts'

export type { TerminalProgram } from './pty-host.ts'

const START_MS = 20_000
/** The host itself asks for 2 s and kills for 2 s. */
const HANG_UP_MS = 8_000
const LAST_WORDS = 2_048

/** The program that holds a terminal: it lies beside ours, in the sources and in the bundle. */
export function hostBeside(program = process.argv[1] ?? ''): string {
  return join(dirname(program), `console-host${extname(program)}`)
}

/**
 * Starts a program on a terminal of its own, which a process beside the agent holds (`pty-host.ts`).
 *
 * @param host path of that process's program.
 * @throws Fault `console.failed`. A program that cannot be run is none: it says so on the terminal and exits with 1.
 */
export async function openPty(program: TerminalProgram, host = hostBeside()): Promise<Pty> {
  checkSize(program.size)
  const libraries = process.env['LD_LIBRARY_PATH']
  const child = spawn(process.execPath, [host], {
    env: libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  })
  const pty = new Pty(child)
  try {
    await withDeadline('starting the console', START_MS, () => pty.start(program))
    return pty
  } catch (cause) {
    await pty.hangUp()
    if (cause instanceof Fault) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('console.failed', { reason }, { cause })
  }
}

/** A terminal with a program. Close it when it has ended, too. */
export class Pty implements AsyncDisposable {
  /**
   * What is printed can be read, what is typed written: bytes, both with back-pressure. It ends after the last byte
   * that the program printed. Input that is written after the program's end is dropped.
   */
  readonly stream: Duplex
  /**
   * The exit code (128 and the number for a signal), once what was printed has been taken. Rejects with
   * `console.failed` when nobody can tell, after a hang-up for one.
   */
  readonly exited: Promise<number>
  readonly #child: ChildProcess
  /** Not the child's own 'close': that never comes when it is we who disconnect. */
  readonly #closed: Promise<unknown>
  readonly #started = Promise.withResolvers<true>()

  /** For `openPty`. */
  constructor(child: ChildProcess) {
    this.#child = child
    this.stream = child.stdio[DATA_FD] as Duplex
    this.stream.on('error', () => {}) // told by `exited`
    const exited = Promise.withResolvers<number>()
    this.exited = exited.promise
    this.exited.catch(() => {})
    let lastWords = ''
    const stderr = child.stderr as Readable
    stderr.on('data', (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString()).slice(-LAST_WORDS)
    })
    const fail = (reason: string): void => {
      const fault = new Fault('console.failed', { reason })
      this.#started.reject(fault)
      exited.reject(fault)
    }
    child.on('message', (message: FromHost) => {
      if ('started' in message) this.#started.resolve(true)
      else if ('exited' in message) exited.resolve(message.exited)
      else fail(message.failed)
    })
    child.once('error', (error) => fail(error.message))
    const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve))
    this.#closed = Promise.all([ended, closing(stderr), closing(this.stream)])
    void Promise.all([ended, closing(stderr)]).then(() =>
      fail(lastWords.trim() || 'the process that held the terminal has ended'),
    )
  }

  /** For `openPty`. */
  async start(program: TerminalProgram): Promise<void> {
    this.#tell({ start: program })
    await this.#started.promise
  }

  /** @throws RangeError for a side outside 1 to 1000. */
  resize(size: TerminalSize): void {
    checkSize(size)
    this.#tell({ size })
  }

  /**
   * Ends every process of the terminal's session: SIGHUP, and SIGKILL after 2 s. Resolves when all is closed.
   * What was printed and not read is dropped.
   */
  async hangUp(): Promise<void> {
    this.stream.destroy()
    if (this.#child.connected) this.#child.disconnect()
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), HANG_UP_MS)
    await this.#closed
    clearTimeout(kill)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.hangUp()
  }

  #tell(message: ToHost): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}

function closing(stream: Readable): Promise<void> {
  return new Promise((resolve) => stream.once('close', resolve))
}

function checkSize({ columns, rows }: TerminalSize): void {
  for (const side of [columns, rows])
    if (!Number.isInteger(side) || side < 1 || side > MAX_SIDE)
      throw new RangeError(`no terminal has ${columns} by ${rows}`)
}
