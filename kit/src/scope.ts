/** What a `Scope` closes: a function, or anything with a disposer of its own. */
type Closer = () => void | Promise<void>

/**
 * Owns what was opened and closes it in reverse order, once, also when opening failed half-way.
 *
 * A closer that throws does not keep the others from running; the first error is thrown at the end.
 * `signal` aborts when closing begins, so work that hangs on the scope stops before its resources go.
 */
export class Scope implements AsyncDisposable {
  readonly #closers: Closer[] = []
  readonly #abort = new AbortController()
  #closing: Promise<void> | undefined

  /** Aborts as soon as `close` is called. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Runs `closer` when the scope closes; at once when it is already closing. */
  defer(closer: Closer): void {
    if (this.#closing === undefined) this.#closers.push(closer)
    else {
      this.#closing = this.#closing.then(closer, async (error: unknown) => {
        await closer()
        throw error
      })
      this.#closing.catch(() => {}) // whoever called `close` has the error
    }
  }

  /** Takes a disposable over and returns it. */
  own<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(async () => {
      if (Symbol.asyncDispose in resource) await resource[Symbol.asyncDispose]()
      else resource[Symbol.dispose]()
    })
    return resource
  }

  /** Closes everything in reverse order. Later calls wait for the first one. */
  close(reason?: unknown): Promise<void> {
    if (this.#closing === undefined) {
      this.#abort.abort(reason)
      this.#closing = this.#closeAll()
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #closeAll(): Promise<void> {
    let failed: { error: unknown } | undefined
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) {
      try {
        await closer()
      } catch (error) {
        failed ??= { error }
      }
    }
    if (failed !== undefined) throw failed.error
  }
}
