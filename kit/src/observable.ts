/** A value that can be waited for. Readers see every value they wait on, never a stale one. */
export class Observable<T> {
  #value: T
  readonly #listeners = new Set<(value: T) => void>()

  constructor(value: T) {
    this.#value = value
  }

  get value(): T {
    return this.#value
  }

  /** Sets the value and tells the listeners, when it differs. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return
    this.#value = value
    for (const listener of [...this.#listeners]) listener(value)
  }

  /** Calls `listener` for each later value until the returned function is called. */
  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Resolves with the first value, present or later, for which `wanted` holds.
   * @throws the signal's reason when it aborts first.
   */
  async until(wanted: (value: T) => boolean, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    if (wanted(this.#value)) return this.#value
    return await new Promise<T>((resolve, reject) => {
      const stop = this.subscribe((value) => {
        if (!wanted(value)) return
        done()
        resolve(value)
      })
      const abort = (): void => {
        done()
        reject(signal.reason as Error)
      }
      const done = (): void => {
        stop()
        signal.removeEventListener('abort', abort)
      }
      signal.addEventListener('abort', abort, { once: true })
    })
  }
}
