/**
 * Runs jobs for one key strictly one after the other, keys side by side, and folds repeated requests:
 * a key asked for while its job runs is run once more afterwards, however often it was asked for.
 */
export class Series<K> {
  readonly #job: (key: K) => Promise<void>
  readonly #running = new Map<K, Promise<void>>()
  readonly #again = new Set<K>()

  /** @param job must not reject; its errors are its own business. */
  constructor(job: (key: K) => Promise<void>) {
    this.#job = job
  }

  /** Asks for a run of `key` that begins now or after the present one. */
  request(key: K): void {
    if (this.#running.has(key)) this.#again.add(key)
    else this.#running.set(key, this.#runUntilQuiet(key))
  }

  /** Resolves when no job runs any more. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values())
  }

  async #runUntilQuiet(key: K): Promise<void> {
    await Promise.resolve() // so that the map holds us before the job can ask for itself
    do {
      this.#again.delete(key)
      await this.#job(key)
    } while (this.#again.has(key))
    this.#running.delete(key)
  }
}

/** Runs whole operations one after the other; the result of each goes to its own caller. */
export class Turnstile {
  #last: Promise<unknown> = Promise.resolve()

  pass<T>(operation: () => Promise<T>): Promise<T> {
    const next = this.#last.then(operation, operation)
    this.#last = next.catch(() => {})
    return next
  }
}
