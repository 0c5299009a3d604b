import type { Writable } from 'node:stream'
import { comesToHold } from '../poll.ts'
import type { LineLevel } from './level.ts'
import type { LogSink, LossNotice } from './sink.ts'

/** Lines wait in so much memory; more are lost and counted. */
const QUEUE_BYTES = 1 << 20
const CLOSE_MS = 1_000
const LOOK_MS = 5

/** A way for bytes that is open or being opened. It must not keep the process alive. */
export interface Outlet {
  readonly stream: Writable
  /** Lets what was written go out, then ends. */
  end(): void
  /** Ends at once. */
  kill(): void
}

export interface StreamSinkOptions {
  /**
   * Opens a way, with a deadline of its own. Calls `ready` when bytes may be written, `gone` once when they
   * can no longer be, whatever the reason, but not before it has returned.
   * @throws Error when it cannot even begin.
   */
  readonly open: (ready: () => void, gone: () => void) => Outlet
  /** What is sent for a line. */
  readonly frame: (line: string, level: LineLevel) => string
  readonly notice: LossNotice
  /** Milliseconds from a failure to the next try; doubled after each failure, up to the longest. */
  readonly pauseMs: readonly [first: number, longest: number]
}

/**
 * Sends lines through a stream that may break: a connection, a child's input, a pipe.
 *
 * Lines wait in a queue until the kernel has taken them. Opening is tried when a line comes, never by a timer.
 * What the other side has taken and not kept is lost unseen: no syslog protocol tells.
 */
export class StreamSink implements LogSink {
  readonly #options: StreamSinkOptions
  readonly #queue: Buffer[] = []
  #queuedBytes = 0
  #lost = 0
  #outlet: Outlet | undefined
  #ready = false
  /** How many of the queue the stream has been given, and how many bytes they are. */
  #given = 0
  #givenBytes = 0
  #tryAgainAt = -Infinity
  #pauseMs: number

  constructor(options: StreamSinkOptions) {
    this.#options = options
    this.#pauseMs = options.pauseMs[0]
  }

  write(line: string, level: LineLevel): void {
    this.#settle()
    const frame = this.#options.frame(line, level)
    if (this.#queuedBytes + Buffer.byteLength(frame) > QUEUE_BYTES) this.#lost += 1
    else {
      this.#tellLoss()
      this.#enqueue(frame)
    }
    this.#pump()
  }

  async close(): Promise<void> {
    this.#pump()
    const isEmpty = (): boolean => {
      this.#settle()
      return this.#queue.length === 0 || this.#outlet === undefined
    }
    await comesToHold(isEmpty, CLOSE_MS, LOOK_MS)
    this.#outlet?.end()
    await comesToHold(() => this.#outlet === undefined, CLOSE_MS, LOOK_MS)
    this.#outlet?.kill()
  }

  #tellLoss(): void {
    if (this.#lost === 0) return
    this.#enqueue(this.#options.frame(this.#options.notice(this.#lost), 'warn'))
    this.#lost = 0
  }

  #enqueue(frame: string): void {
    const bytes = Buffer.from(frame)
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
  }

  /** Gives the stream what it will take. */
  #pump(): void {
    this.#outlet ??= this.#open()
    if (!this.#ready || this.#outlet === undefined) return
    const { stream } = this.#outlet
    while (stream.writable && !stream.writableNeedDrain) {
      const frame = this.#queue[this.#given]
      if (frame === undefined) return
      this.#given += 1
      this.#givenBytes += frame.length
      stream.write(frame)
      this.#settle()
    }
  }

  /** Forgets what the kernel has taken. */
  #settle(): void {
    const stream = this.#outlet?.stream
    // A broken stream forgets what it had, and counts it as nothing.
    if (stream === undefined || stream.destroyed) return
    const pending = stream.writableLength
    for (let first = this.#queue[0]; first !== undefined && this.#given > 0; first = this.#queue[0]) {
      if (this.#givenBytes - first.length < pending) return
      this.#queue.shift()
      this.#given -= 1
      this.#givenBytes -= first.length
      this.#queuedBytes -= first.length
    }
  }

  #open(): Outlet | undefined {
    if (performance.now() < this.#tryAgainAt) return undefined
    let opened: Outlet | undefined
    const onDrain = (): void => {
      this.#settle()
      this.#pump()
    }
    const onReady = (): void => {
      this.#ready = true
      this.#pauseMs = this.#options.pauseMs[0]
      if (opened !== undefined) this.#pump()
    }
    const onGone = (): void => {
      opened?.stream.off('drain', onDrain)
      if (this.#outlet === opened) this.#gone()
    }
    try {
      opened = this.#options.open(onReady, onGone)
      opened.stream.on('drain', onDrain)
    } catch {
      this.#gone()
    }
    return opened
  }

  /** What had been given and not taken is given again next time: twice is better than not at all. */
  #gone(): void {
    this.#outlet = undefined
    this.#ready = false
    this.#given = 0
    this.#givenBytes = 0
    this.#tryAgainAt = performance.now() + this.#pauseMs
    this.#pauseMs = Math.min(2 * this.#pauseMs, this.#options.pauseMs[1])
  }
}
