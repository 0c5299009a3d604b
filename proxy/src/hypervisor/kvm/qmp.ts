import { withDeadline } from '@ostler/kit/deadline.ts'
import { openSocketName } from '@ostler/kit/socket-name.ts'
import { connect, type Socket } from 'node:net'

/** What QEMU answered instead of doing what it was told. */
export class QmpRefusal extends Error {
  /** QEMU's word for the kind of failure, such as `GenericError`. */
  readonly kind: string

  constructor(command: string, kind: string, description: string) {
    super(`QEMU refuses ${command}: ${description}`)
    this.name = 'QmpRefusal'
    this.kind = kind
  }
}

/** A conversation with one QEMU over its monitor (QMP). */
export interface Qmp extends Disposable {
  /**
   * Has QEMU execute a command and returns what it answers, unchecked.
   * @throws QmpRefusal; Error when QEMU ends, is silent for too long, or does not speak QMP.
   */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>
}

const ANSWER_MS = 5_000
/** No answer that we ask for is longer. A QEMU whose guest has taken it over may talk without end. */
const MAX_LINE = 65_536

/**
 * Connects to a monitor, waits for its greeting and leaves its negotiation. The folder belongs to QEMU's user: a link
 * there, which could lead to another machine's monitor, is not followed.
 *
 * @throws Error as `execute`, or when nobody listens.
 */
export async function openQmp(path: string, answerMs = ANSWER_MS): Promise<Qmp> {
  using name = openSocketName(path)
  const conversation = new Conversation(connect(name.path), answerMs)
  try {
    await conversation.greeted()
    await conversation.execute('qmp_capabilities')
    return conversation
  } catch (error) {
    conversation[Symbol.dispose]()
    throw error
  }
}

interface Answer {
  readonly id?: unknown
  readonly return?: unknown
  readonly error?: { readonly class?: unknown; readonly desc?: unknown }
  readonly QMP?: unknown
}

class Conversation implements Qmp {
  readonly #socket: Socket
  readonly #answerMs: number
  readonly #greeting = Promise.withResolvers<boolean>()
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  readonly #gone = new AbortController()
  #count = 0
  #rest: Buffer = Buffer.alloc(0)

  constructor(socket: Socket, answerMs: number) {
    this.#socket = socket
    this.#answerMs = answerMs
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('QEMU has closed its monitor')))
  }

  greeted(): Promise<boolean> {
    return this.#within('the greeting', () => this.#greeting.promise)
  }

  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const id = ++this.#count
    try {
      const answer = await this.#within(command, () => {
        const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
        this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`)
        return answered
      })
      if (answer.error === undefined) return answer.return
      throw new QmpRefusal(command, words(answer.error.class), words(answer.error.desc))
    } finally {
      this.#waiting.delete(id)
    }
  }

  [Symbol.dispose](): void {
    this.#end(new Error('the monitor was closed'))
  }

  #within<T>(what: string, work: () => Promise<T>): Promise<T> {
    return withDeadline(`QEMU: ${what}`, this.#answerMs, work, this.#gone.signal)
  }

  #end(why: Error): void {
    this.#gone.abort(why)
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (;;) {
      const end = this.#rest.indexOf('\n')
      if (end < 0) break
      const line = this.#rest.subarray(0, end)
      this.#rest = this.#rest.subarray(end + 1)
      if (!this.#hear(line)) return this.#end(new Error('this is not QMP'))
    }
    if (this.#rest.length > MAX_LINE) this.#end(new Error('QEMU sends a line without end'))
  }

  /** Takes one line; false when it is none of QMP. Events are heard by nobody: processes are looked at instead. */
  #hear(line: Buffer): boolean {
    let answer: Answer | null
    try {
      answer = JSON.parse(line.toString('utf8')) as Answer | null
    } catch {
      return false
    }
    if (typeof answer !== 'object' || answer === null) return false
    if (answer.QMP !== undefined) this.#greeting.resolve(true)
    else if (typeof answer.id === 'number') this.#waiting.get(answer.id)?.(answer)
    return true
  }
}

function words(text: unknown): string {
  return typeof text === 'string' ? text.slice(0, 500) : 'unknown'
}
