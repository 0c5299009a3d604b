import type { Log } from '@ostler/kit/log.ts'
import { monotonicMs } from '@ostler/kit/monotonic.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { readFileSync } from 'node:fs'

/** How a fence stands. */
export interface FenceState {
  /** True once the time was over, until somebody sets a later one. */
  readonly closed: boolean
  /** By the kernel's monotonic clock, in milliseconds; null: for ever. */
  readonly until: number | null
  /** When it last ended the desktops, by the same clock; null: this fence never has. Whoever has missed an answer learns it from the next. */
  readonly endedAt: number | null
}

export interface FenceParts {
  /** Where the time is kept for a fence that takes over from one that died. It means nothing after the machine has started anew. */
  readonly file: string
  /** Cuts desktops off, ends them, and gives their homes back; called again and again while the fence is closed. */
  readonly end: () => Promise<void>
  /** Lets desktops that start from now on have a network. */
  readonly reopen: () => Promise<void>
  readonly log: Log
}

/** What is started while the fence is closed, such as by an hkd that wakes up, lives no longer. */
const AGAIN_MS = 200
/** Timers end long before this; without a time one wakes up all the same. */
const LONGEST_MS = 60_000

/**
 * Ends the desktops of a node when nobody has said in time that they may go on. It knows nothing but that time: whether the node may
 * still have them is decided by hkd, and whoever cannot say anything any more, whatever the reason, says nothing.
 */
export class Fence implements AsyncDisposable {
  readonly #parts: FenceParts
  #until: number
  #closed = false
  #endedAt: number | null = null
  #timer: NodeJS.Timeout | undefined
  #work: Promise<void> = Promise.resolve()
  /** What the last try to end everything has left. */
  #left: Error | undefined
  #ended = false

  constructor(parts: FenceParts) {
    this.#parts = parts
    this.#until = readTime(parts.file)
    this.#schedule()
  }

  get state(): FenceState {
    const until = Number.isFinite(this.#until) ? this.#until : null
    return { closed: this.#closed, until, endedAt: this.#endedAt }
  }

  /**
   * Sets the time, which opens a closed fence if it is yet to come.
   * @param until null: for ever.
   */
  async set(until: number | null): Promise<FenceState> {
    this.#until = until ?? Infinity
    writeTime(this.#parts.file, until)
    if (this.#closed && this.#until > monotonicMs()) {
      this.#closed = false
      await this.#work
      await this.#parts.reopen()
      this.#parts.log.info('the fence is open again')
    }
    this.#schedule()
    return this.state
  }

  /** Ends the desktops now. The fence is closed until a time is set. @throws what keeps some of them. */
  async close(): Promise<FenceState> {
    this.#until = -Infinity
    writeTime(this.#parts.file, 0)
    this.#schedule()
    await this.#work
    if (this.#left !== undefined) throw this.#left
    return this.state
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true
    clearTimeout(this.#timer)
    await this.#work
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#ended) return
    const left = this.#until - monotonicMs()
    if (left > 0) this.#timer = setTimeout(() => this.#schedule(), Math.min(left, LONGEST_MS))
    else this.#shut()
  }

  #shut(): void {
    const { log, end } = this.#parts
    if (!this.#closed) {
      log.error('nobody has said in time that desktops may go on: they are ended')
      this.#endedAt = monotonicMs()
    }
    this.#closed = true
    this.#work = this.#work
      .then(end)
      .then(
        () => (this.#left = undefined),
        (error: unknown) => {
          this.#left = error instanceof Error ? error : new Error(String(error))
          log.error('the fence could not end everything', { error })
        },
      )
      .then(() => {
        clearTimeout(this.#timer)
        if (this.#closed && !this.#ended) this.#timer = setTimeout(() => this.#schedule(), AGAIN_MS)
      })
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

function writeTime(file: string, until: number | null): void {
  writeWhole(file, JSON.stringify({ boot: bootId(), until }), { mode: 0o600 })
}

/** What an earlier fence was told; for ever where there was none, or no machine that it was told on. */
function readTime(file: string): number {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { boot?: unknown; until?: unknown }
    return kept.boot === bootId() && typeof kept.until === 'number' ? kept.until : Infinity
  } catch {
    return Infinity
  }
}
