/** Lets a few jobs run at once and a bounded number wait; more are turned away at once. */
export class Gate {
  readonly #waiting: (() => void)[] = []
  readonly #width: number
  readonly #queue: number
  #running = 0

  /** @param width jobs at once; @param queue jobs that may wait. */
  constructor(width: number, queue: number) {
    this.#width = width
    this.#queue = queue
  }

  /** @throws what `full` makes when too many wait already, else what the job throws. */
  async pass<T>(job: () => Promise<T>, full: () => Error): Promise<T> {
    if (this.#running >= this.#width) {
      if (this.#waiting.length >= this.#queue) throw full()
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else this.#running += 1
    try {
      return await job()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next() // our place is hers
    }
  }
}
