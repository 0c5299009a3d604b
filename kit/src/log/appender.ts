import { complain } from './complain.ts'
import type { LogSink, LossNotice } from './sink.ts'

/** After a failure nothing is tried for so long: a dying disk may take its time for every refusal. */
const PAUSE_MS = 1_000

/** Where whole lines can be added at once. */
export interface Appendable {
  /** What it is to people. */
  readonly name: string
  /**
   * Adds all the bytes or nothing.
   * @throws Error when it cannot; the next call starts afresh.
   */
  append(bytes: Buffer): void
  close(): void
}

/**
 * Writes lines as they come, synchronously: what has been logged is there, also when the process dies next.
 *
 * When the disk is full, read-only or broken the lines are lost and counted. There is no timer: the next line
 * that comes after a second tries again.
 */
export class Appender implements LogSink {
  readonly #target: Appendable
  readonly #notice: LossNotice
  readonly #now: () => number
  #lost = 0
  #tryAgainAt = -Infinity

  /** @param now milliseconds that only grow. */
  constructor(target: Appendable, notice: LossNotice, now: () => number = () => performance.now()) {
    this.#target = target
    this.#notice = notice
    this.#now = now
  }

  write(line: string): void {
    if (this.#now() < this.#tryAgainAt || !this.#append(`${line}\n`)) this.#lost += 1
  }

  close(): Promise<void> {
    if (this.#lost > 0) this.#append('')
    this.#target.close()
    return Promise.resolve()
  }

  #append(text: string): boolean {
    try {
      this.#target.append(Buffer.from(this.#lost === 0 ? text : `${this.#notice(this.#lost)}\n${text}`))
      this.#lost = 0
      return true
    } catch (error) {
      this.#tryAgainAt = this.#now() + PAUSE_MS
      if (this.#lost === 0)
        complain(`${this.#target.name}: log lines are lost until this is mended: ${String(error)}`)
      return false
    }
  }
}
