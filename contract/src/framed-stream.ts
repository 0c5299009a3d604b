import { Duplex } from 'node:stream'
import type * as z from 'zod/mini'
import { Fault, faultFromBody } from './fault.ts'

/**
 * A stream between our client and the agent for one thing of the user's machine: a folder, a USB device. Frames go both ways:
 * the number of the kind in one byte, the length in four (big endian), the content. The client says `open`, the agent
 * `opened` or `fault`; then `data` carries what the thing speaks. Whoever has nothing to say says `alive` every second: a
 * peer that is silent for 5 s is gone (docs/decisions/0053).
 */
const KINDS = ['data', 'alive', 'open', 'opened', 'fault'] as const
type Kind = (typeof KINDS)[number]

const SILENCE_MS = 5_000
const HEADER = 5
/** Longest content of a frame that is no data. */
const MAX_MESSAGE = 16_384
const TICK_MS = 500
/** A process that was held up itself has few ticks, and so does not mistake its own silence for the peer's. */
const SILENT_TICKS = SILENCE_MS / TICK_MS - 1

/** What is said about a kind of thing, and how a stream of it fails. */
export interface FrameWords<Open, Opened> {
  readonly open: z.ZodMiniType<Open>
  readonly opened: z.ZodMiniType<Opened>
  /** The line is gone. */
  readonly lost: (reason: string) => Fault
  /** What came is no frame. */
  readonly malformed: (problem: string) => Fault
}

interface Messages<Open, Opened> {
  readonly open: Open
  readonly opened: Opened
  readonly fault: Fault
}

/**
 * The data of such a stream as a stream of its own, over `raw`. It fails with its words for `lost` when the peer is
 * silent, with those for `malformed` for what is no frame, and with the peer's own fault. Closing it closes `raw`.
 */
export class FramedStream<Open, Opened> extends Duplex {
  readonly #words: FrameWords<Open, Opened>
  readonly #raw: Duplex
  readonly #asked = Promise.withResolvers<Open>()
  readonly #answered = Promise.withResolvers<Opened>()
  readonly #timer: NodeJS.Timeout
  readonly #header = Buffer.alloc(HEADER)
  #headerFilled = 0
  #kind: Kind = 'data'
  /** How much of the present content is to come. */
  #missing = 0
  #message: Buffer[] = []
  /** Data that was not handed on yet. */
  readonly #pieces: Buffer[] = []
  #silentTicks = 0
  #said = true

  /** @param head what came on `raw` already. */
  constructor(words: FrameWords<Open, Opened>, raw: Duplex, head: Buffer) {
    super({ allowHalfOpen: true, readableHighWaterMark: 1 << 18, writableHighWaterMark: 1 << 18 })
    this.#words = words
    this.#raw = raw
    for (const { promise } of [this.#asked, this.#answered]) promise.catch(() => {})
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
    raw.on('data', (chunk: Buffer) => this.#take(chunk))
    raw.once('end', () => {
      this.#flush()
      this.push(null)
    })
    raw.once('close', () => this.destroy())
    raw.on('error', () => this.destroy())
    if (head.length > 0) this.#take(head)
    if (raw.destroyed) this.destroy()
    else raw.resume() // whoever had it may have stopped it
  }

  /** What the client asks for. @throws Fault when the stream ends before. */
  get asked(): Promise<Open> {
    return this.#asked.promise
  }

  /** What the agent has made of it. @throws Fault when it refuses, or the stream ends before. */
  get answered(): Promise<Opened> {
    return this.#answered.promise
  }

  /** Sends a message. After a fault the stream is of no more use, and is to be ended. */
  say<K extends keyof Messages<Open, Opened>>(kind: K, message: Messages<Open, Opened>[K]): void {
    if (!this.#raw.writable) return
    this.#raw.write(frame(kind, Buffer.from(JSON.stringify(message))))
    this.#said = true
  }

  override _read(): void {
    this.#raw.resume()
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#said = true
    // Together they are one write, and the chunk is not copied here.
    this.#raw.cork()
    this.#raw.write(headerOf('data', chunk.length))
    const more = this.#raw.write(chunk)
    this.#raw.uncork()
    if (more) done()
    else this.#raw.once('drain', () => done())
  }

  override _final(done: () => void): void {
    this.#raw.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.#timer)
    this.#raw.destroy()
    const reason = error ?? this.#words.lost('its line has ended')
    this.#asked.reject(reason)
    this.#answered.reject(reason)
    done(error)
  }

  #tick(): void {
    if (!this.#said && !this.#raw.writableNeedDrain && this.#raw.writable)
      this.#raw.write(frame('alive', Buffer.alloc(0)))
    // Every second tick: a sign of life a second.
    this.#said = !this.#said
    // While we do not listen, silence says nothing.
    this.#silentTicks = this.#raw.isPaused() ? 0 : this.#silentTicks + 1
    if (this.#silentTicks > SILENT_TICKS) this.destroy(this.#words.lost('the other end is silent'))
  }

  #take(chunk: Buffer): void {
    this.#silentTicks = 0
    try {
      for (let rest = chunk; rest.length > 0;)
        rest = this.#missing > 0 ? this.#content(rest) : this.#begin(rest)
    } catch (error) {
      this.destroy(error instanceof Fault ? error : this.#words.malformed('a message that is none'))
    }
  }

  /** Takes bytes of a header. @returns the rest. */
  #begin(bytes: Buffer): Buffer {
    const taken = bytes.subarray(0, HEADER - this.#headerFilled)
    taken.copy(this.#header, this.#headerFilled)
    this.#headerFilled += taken.length
    if (this.#headerFilled < HEADER) return bytes.subarray(taken.length)
    this.#headerFilled = 0
    const kind = KINDS[this.#header[0] ?? 0]
    if (kind === undefined) throw this.#words.malformed(`kind ${this.#header[0] ?? 0} does not exist`)
    this.#kind = kind
    this.#missing = this.#header.readUInt32BE(1)
    if (kind !== 'data' && this.#missing > MAX_MESSAGE)
      throw this.#words.malformed(`${this.#missing} bytes of ${kind}`)
    return bytes.subarray(taken.length)
  }

  /** Takes bytes of a content; those of data go on as they are. @returns the rest. */
  #content(bytes: Buffer): Buffer {
    const taken = bytes.subarray(0, this.#missing)
    this.#missing -= taken.length
    if (this.#kind === 'data') {
      if (this.#pieces.push(taken) === 1) setImmediate(() => this.#flush())
    } else {
      this.#message.push(taken)
      if (this.#missing === 0) this.#hear(Buffer.concat(this.#message.splice(0)))
    }
    return bytes.subarray(taken.length)
  }

  /** Hands on what has come. TLS brings pieces of 16 KiB: together they are one write for whoever gets them. */
  #flush(): void {
    const pieces = this.#pieces.splice(0)
    if (pieces.length === 0 || this.destroyed) return
    if (!this.push(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces))) this.#raw.pause()
  }

  #hear(content: Buffer): void {
    if (this.#kind === 'alive') return
    const message: unknown = JSON.parse(content.toString('utf8'))
    if (this.#kind === 'open') this.#asked.resolve(this.#words.open.parse(message))
    else if (this.#kind === 'opened') this.#answered.resolve(this.#words.opened.parse(message))
    else throw faultFromBody(message) ?? this.#words.malformed('a fault that is none')
  }
}

function frame(kind: Kind, content: Buffer): Buffer {
  return Buffer.concat([headerOf(kind, content.length), content])
}

function headerOf(kind: Kind, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER)
  bytes[0] = KINDS.indexOf(kind)
  bytes.writeUInt32BE(length, 1)
  return bytes
}
