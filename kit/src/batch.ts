interface Waiting<T, R> {
  readonly item: T
  readonly resolve: (result: R) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Does things together that would otherwise be done one by one: what comes while a round is under way waits for the next round. One
 * alone does not wait. When a round of several fails, each is done alone, so that nobody fails for another one's sake.
 */
export class Batch<T, R> {
  readonly #work: (items: readonly T[]) => Promise<readonly R[]>
  readonly #most: number
  #waiting: Waiting<T, R>[] = []
  #busy = false

  /**
   * @param work gives a result for each item, in the same order, and does nothing when it throws.
   * @param most items of a round.
   */
  constructor(work: (items: readonly T[]) => Promise<readonly R[]>, most: number) {
    this.#work = work
    this.#most = most
  }

  /** @throws what `work` throws for this item alone. */
  add(item: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (!this.#busy) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#busy = true
    await Promise.resolve() // whoever asks in the same turn comes along
    while (this.#waiting.length > 0) {
      const round = this.#waiting.splice(0, this.#most)
      if (!(await this.#together(round))) for (const one of round) await this.#together([one])
    }
    this.#busy = false
  }

  /** @returns false when several have failed. */
  async #together(round: readonly Waiting<T, R>[]): Promise<boolean> {
    try {
      const results = await this.#work(round.map(({ item }) => item))
      for (const [index, { resolve }] of round.entries()) resolve(results[index] as R)
      return true
    } catch (error) {
      if (round.length > 1) return false
      round[0]?.reject(error)
      return true
    }
  }
}
