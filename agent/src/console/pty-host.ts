import type { TerminalSize } from '@ostler/contract/console-frames.ts'
import { drained } from '@ostler/kit/drained.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { membersOfSession, signalProcess } from '@ostler/kit/process-table.ts'
import {
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fstatSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReadStream } from 'node:tty'

/** What runs on a terminal. */
export interface TerminalProgram {
  /** Found on the path of `env`'s owner, that is ours, when it is no path itself. */
  readonly file: string
  readonly args: readonly string[]
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly size: TerminalSize
  /** Number of the user to whom the terminal's device is given, as `login` does. */
  readonly owner?: number
}

/** What the agent tells the process that holds a terminal: what to start, then changes of its size. */
export type ToHost = { readonly start: TerminalProgram } | { readonly size: TerminalSize }

/** What that process answers. `exited` is the exit code, or 128 and the number of the signal. */
export type FromHost = { readonly started: true } | { readonly failed: string } | { readonly exited: number }

/** Descriptor of the socket that carries the bytes. */
export const DATA_FD = 3

/** The native half of node-pty. Its other half is not used: docs/decisions/0014. */
interface NativePty {
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    columns: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    exited: (code: number, signal: number) => void,
  ): { fd: number; pid: number; pty: string }
  resize(fd: number, columns: number, rows: number): void
}

const READ_SIZE = 65_536
/** More than the kernel holds for a terminal: what comes after that was written after the end. */
const TAIL_LIMIT = 1_048_576
const HANG_UP_MS = 2_000
const KILL_MS = 1_000
const LOOK_AGAIN_MS = 25
/** Longest pause between two tries to write to a program that does not read. */
const WRITE_AGAIN_MS = 32

/**
 * Holds one terminal for the agent and ends with it. The agent must not hold it itself: the descriptor of a
 * terminal's master is inherited by every program that is started later, the user's session among them.
 *
 * When the agent disconnects, for whatever reason, everything in the terminal's session is ended.
 */
export function hostPty(): void {
  const data = new Socket({ fd: DATA_FD, allowHalfOpen: true, readable: true, writable: true })
  data.on('error', () => {}) // the agent has gone, which 'disconnect' tells
  let terminal: Terminal | undefined
  process.on('message', (message: ToHost) => {
    if ('size' in message) terminal?.resize(message.size)
    else
      try {
        terminal = new Terminal(loadPty(), message.start, data)
        tell({ started: true })
        terminal.ended.then(leave).catch(fail)
      } catch (error) {
        fail(error)
      }
  })
  process.once('disconnect', () => {
    data.destroy()
    terminal?.hangUp()
  })

  function leave(code: number): void {
    tell({ exited: code })
    // The agent closes once it has read everything.
    if (data.destroyed) disconnect()
    else data.once('close', disconnect).end()
  }

  function fail(error: unknown): void {
    tell({ failed: error instanceof Error ? error.message : String(error) })
    data.destroy()
    disconnect()
  }
}

function disconnect(): void {
  if (process.connected) process.disconnect?.()
}

function tell(message: FromHost): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

/** Beside the bundle, else among the packages. */
function loadPty(): NativePty {
  const program = process.argv[1] ?? ''
  const require = createRequire(program)
  const beside = join(dirname(program), 'pty.node')
  return (existsSync(beside) ? require(beside) : require('@lydell/node-pty-linux-x64/pty.node')) as NativePty
}

class Terminal {
  /** Resolves with the exit code when the program has ended and all that it printed was passed on. */
  readonly ended: Promise<number>
  readonly #native: NativePty
  readonly #data: Socket
  readonly #master: number
  readonly #leader: number
  /** Held open until the end: while nobody holds it, a reader takes a pause for the end. */
  readonly #slave: number
  readonly #reader: ReadStream
  #exited = false

  constructor(native: NativePty, program: TerminalProgram, data: Socket) {
    this.#native = native
    this.#data = data
    const exit = Promise.withResolvers<number>()
    const { fd, pid, pty } = native.fork(
      program.file,
      program.args,
      Object.entries(program.env).map(([name, value]) => `${name}=${value}`),
      program.cwd,
      program.size.columns,
      program.size.rows,
      -1, // setting users here would keep root's groups: runuser does it
      -1,
      true,
      '',
      (code, signal) => exit.resolve(signal > 0 ? 128 + signal : code),
    )
    this.#master = fd
    this.#leader = pid
    this.#slave = openSync(pty, constants.O_RDWR | constants.O_NOCTTY)
    if (program.owner !== undefined) fchownSync(this.#slave, program.owner, fstatSync(this.#slave).gid)
    this.#reader = new ReadStream(fd, {
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_SIZE),
        // The buffer is used again, so its content is copied. `false` stops the reading until 'drain'.
        callback: (length, buffer) => this.#pass(Buffer.from(buffer.subarray(0, length))),
      },
    })
    this.#reader.on('error', () => {}) // the terminal was revoked, and closes
    this.#reader.resume()
    data.on('drain', () => {
      if (!this.#exited) this.#reader.resume()
    })
    data.on('data', (bytes: Buffer) => {
      data.pause()
      void this.#type(bytes).then(() => data.resume())
    })
    this.ended = exit.promise.then((code) => this.#finish(code))
  }

  /** False when the master is closed, whose number may by then be another file's. */
  get #isOpen(): boolean {
    return !this.#reader.destroyed
  }

  resize({ columns, rows }: TerminalSize): void {
    if (this.#isOpen) this.#native.resize(this.#master, columns, rows)
  }

  /** Ends everything in the terminal's session: asks, and kills what has not heeded in 2 s. */
  hangUp(): void {
    if (this.#exited) return
    this.#reader.resume() // who waits to print something can go on to hear of the end
    void endSession(this.#leader)
  }

  /** @returns false when no more should be read for now. */
  #pass(bytes: Buffer): boolean {
    return this.#data.destroyed || this.#data.write(bytes)
  }

  /** Types `bytes`. What the kernel does not take yet is tried again, ever more slowly: nothing tells when it would. */
  async #type(bytes: Buffer): Promise<void> {
    let pause = 1
    for (let rest = bytes; rest.length > 0 && this.#isOpen && !this.#exited;)
      try {
        rest = rest.subarray(writeSync(this.#master, rest))
        pause = 1
      } catch (error) {
        if (!isEmptyOrFull(error)) return // nobody will ever read it
        await sleep(pause)
        pause = Math.min(2 * pause, WRITE_AGAIN_MS)
      }
  }

  /** Reads what is left. Programs in the background may hold the terminal for ever: the slave's end is not awaited. */
  async #finish(code: number): Promise<number> {
    this.#exited = true
    this.#reader.pause()
    const buffer = Buffer.allocUnsafe(READ_SIZE)
    for (let left = TAIL_LIMIT; left > 0 && this.#isOpen;) {
      if (this.#data.writableNeedDrain) await drained(this.#data)
      const length = readNow(this.#master, buffer)
      if (length === 0) break
      left -= length
      this.#pass(Buffer.from(buffer.subarray(0, length)))
    }
    this.#reader.destroy()
    closeSync(this.#slave)
    return code
  }
}

/** Reads what is there; 0 when that is nothing. */
function readNow(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer)
  } catch {
    return 0
  }
}

function isEmptyOrFull(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EAGAIN'
}

/**
 * Ends a session. Its leader, which may have a PAM session to close, is killed last and alone.
 * The number of a session is not given away while a member lives, and nobody looks any more when none does.
 */
async function endSession(leader: number): Promise<void> {
  const allAreGone = (): boolean => membersOfSession(leader).length === 0
  const kill = (who: (pid: number) => boolean) => (): boolean => {
    const members = membersOfSession(leader)
    for (const member of members) if (who(member.pid)) signalProcess(member, 'SIGKILL')
    return members.length === 0
  }
  for (const member of membersOfSession(leader)) {
    signalProcess(member, 'SIGHUP')
    signalProcess(member, 'SIGCONT') // who was stopped cannot hear
  }
  if (await comesToHold(allAreGone, HANG_UP_MS, LOOK_AGAIN_MS)) return
  if (
    await comesToHold(
      kill((pid) => pid !== leader),
      KILL_MS,
      LOOK_AGAIN_MS,
    )
  )
    return
  await comesToHold(
    kill(() => true),
    KILL_MS,
    LOOK_AGAIN_MS,
  )
}
