/** Lets a few jobs run at once and a bounded number wait; more are turned away at once. */
export class Gate {
  readonly #waiting: (() => void)[] = []
  readonly #queue: number
  #width: number
  #running = 0

  /** @param width jobs at once; @param queue jobs that may wait. */
  constructor(width: number, queue: number) {
    this.#width = width
    this.#queue = queue
  }

  /** Sets how many jobs run at once from now on. Those that run are not cut; those that wait and find a place begin. */
  set width(width: number) {
    this.#width = width
    this.#letIn()
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
      this.#running -= 1
      this.#letIn()
    }
  }

  /** Who is let in has her place at once: nobody who comes meanwhile takes it. */
  #letIn(): void {
    while (this.#running < this.#width) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#running += 1
      next()
    }
  }
}
