import { Series } from './series.ts'

export interface RoundsSettings {
  /** Milliseconds from one round to the next when nobody asks. */
  readonly everyMs: number
  /** One round, given up when the signal aborts. */
  readonly round: (signal: AbortSignal) => Promise<void>
  /** Gets what a round has thrown; the next one comes all the same. */
  readonly onError: (error: unknown) => void
}

/**
 * Makes rounds: at once, then at an interval, and whenever somebody asks; never two at a time. Whoever asks during a round
 * gets one more after it, however many ask.
 */
export class Rounds implements AsyncDisposable {
  readonly #settings: RoundsSettings
  readonly #series: Series<'round'>
  readonly #timer: NodeJS.Timeout
  readonly #end = new AbortController()

  constructor(settings: RoundsSettings) {
    this.#settings = settings
    this.#series = new Series(() => this.#round())
    this.#timer = setInterval(() => this.ask(), settings.everyMs)
    this.ask()
  }

  /** Asks for a round now. */
  ask(): void {
    if (!this.#end.signal.aborted) this.#series.request('round')
  }

  /** Ends the rounds; resolves when the present one has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#end.abort()
    await this.#series.idle()
  }

  async #round(): Promise<void> {
    const { signal } = this.#end
    if (signal.aborted) return
    try {
      await this.#settings.round(signal)
    } catch (error) {
      this.#settings.onError(error)
    }
  }
}
