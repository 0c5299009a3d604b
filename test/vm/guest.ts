import { withDeadline } from '@ostler/kit/deadline.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** How a program in the guest ended. Of each output the first MiB is kept. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface GuestRunOptions {
  /** Milliseconds until the guest kills the program and its group. Default 60 000: the guest is slow. */
  readonly timeoutMs?: number
  /** Written to standard input, which is empty otherwise. */
  readonly input?: string
}

interface Answer {
  readonly id: string
  readonly code?: number | null
  readonly stdout?: string
  readonly stderr?: string
  /** Why there is no exit code to tell. */
  readonly trouble?: string
}

/** Names inside a machine's folder. */
export const GUEST_PORT = 'port'
export const GUEST_CONSOLE = 'console.log'

/** Added to a program's own time: the guest must still tell us that it killed it. */
const ANSWER_MS = 30_000
const CONNECT_MS = 20_000
const CONSOLE_TAIL = 4_000

/** Connects to the guest of the machine whose folder this is. A second caller waits for the first to close. */
export async function openGuest(folder: string): Promise<Guest> {
  let socket: Socket | undefined
  const connects = async (): Promise<boolean> => {
    const attempt = createConnection(join(folder, GUEST_PORT))
    try {
      await once(attempt, 'connect')
      socket = attempt
    } catch {
      attempt.destroy() // the emulator is not yet listening
    }
    return socket !== undefined
  }
  await comesToHold(connects, CONNECT_MS, 50)
  if (socket === undefined) throw new Error(`The virtual machine does not listen.${consoleTail(folder)}`)
  return new Guest(folder, socket)
}

/** Runs programs in the guest, as root, through guest-runner.py there. */
export class Guest implements Disposable {
  readonly #folder: string
  readonly #socket: Socket
  readonly #waiting = new Map<string, (answer: Answer) => void>()
  readonly #gone = new AbortController()

  constructor(folder: string, socket: Socket) {
    this.#folder = folder
    this.#socket = socket
    const lost = (): void => this.#gone.abort(new Error('The virtual machine has ended.'))
    socket.on('error', lost).on('close', lost)
    createInterface({ input: socket })
      .on('line', (line) => this.#receive(line))
      .on('error', lost)
    // What somebody before us did not send to its end must not spoil our first line.
    socket.write('\n')
  }

  /**
   * Runs a program to its end; several may run at once.
   *
   * @returns its exit code, whatever that is, and its outputs.
   * @throws Error when it could not be run, was ended by a signal or by its time-out, or when the guest does
   *   not answer; the message has what the program said, or what the console said last.
   */
  async run(argv: readonly string[], options: GuestRunOptions = {}): Promise<Outcome> {
    const timeoutMs = options.timeoutMs ?? 60_000
    const answer = await this.#ask(argv, timeoutMs, options.input ?? '')
    const [stdout, stderr] = [decode(answer.stdout), decode(answer.stderr)]
    if (answer.trouble !== undefined || typeof answer.code !== 'number')
      throw new Error(
        `In the guest, ${argv.join(' ')} ${answer.trouble ?? 'has no exit code'}: ${stderr || stdout}`,
      )
    return { code: answer.code, stdout, stderr }
  }

  /** Runs a program that must exit with 0 and returns its standard output without the last line's end. */
  async must(argv: readonly string[], options: GuestRunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, options)
    if (code !== 0)
      throw new Error(`In the guest, ${argv.join(' ')} exited with ${code}: ${stderr || stdout}`)
    return stdout.trimEnd()
  }

  /** What the guest's console said last, as the end of a sentence; nothing when it has been silent. */
  consoleTail(): string {
    return consoleTail(this.#folder)
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  async #ask(argv: readonly string[], timeoutMs: number, input: string): Promise<Answer> {
    const id = crypto.randomUUID()
    const request = { id, argv, timeoutMs, input: Buffer.from(input).toString('base64') }
    try {
      return await withDeadline(
        `${argv.join(' ')} in the guest`,
        timeoutMs + ANSWER_MS,
        () =>
          new Promise<Answer>((resolve) => {
            this.#waiting.set(id, resolve)
            this.#socket.write(`${JSON.stringify(request)}\n`)
          }),
        this.#gone.signal,
      )
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : 'unknown reason'}${this.consoleTail()}`, {
        cause: error,
      })
    } finally {
      this.#waiting.delete(id)
    }
  }

  #receive(line: string): void {
    let answer: Answer
    try {
      answer = JSON.parse(line) as Answer
    } catch {
      return // empty, or the end of an answer to somebody before us
    }
    this.#waiting.get(answer.id)?.(answer)
  }
}

/** What the console of a machine said last, without colours. */
export function consoleTail(folder: string): string {
  let text: string
  try {
    text = readFileSync(join(folder, GUEST_CONSOLE), 'utf8')
  } catch {
    return ''
  }
  const plain = text.replace(/\x1b\[[0-9;?]*[A-Za-z]|\r/g, '').slice(-CONSOLE_TAIL)
  return plain === '' ? '' : `\nThe console said last:\n${plain}`
}

function decode(base64 = ''): string {
  return Buffer.from(base64, 'base64').toString('utf8')
}
