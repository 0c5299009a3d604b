/** When each desktop is looked at again, whatever hints come meanwhile. */
export class LookAgain implements Disposable {
  readonly #look: (id: number) => void
  readonly #timers = new Map<number, NodeJS.Timeout>()
  #closed = false

  constructor(look: (id: number) => void) {
    this.#look = look
  }

  /** Looks after `ms`, or as soon as `changed` says so, which is asked every `watchMs`. What was planned before is not done. */
  later(id: number, ms: number, watchMs = Infinity, changed: () => boolean = () => false): void {
    clearTimeout(this.#timers.get(id))
    if (this.#closed || !Number.isFinite(Math.min(ms, watchMs))) return
    const wait = Math.max(Math.min(ms, watchMs), 10)
    const timer = setTimeout(() => {
      if (ms <= wait || changed()) this.#look(id)
      else this.later(id, ms - wait, watchMs, changed)
    }, wait)
    this.#timers.set(id, timer)
  }

  forget(id: number): void {
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
  }

  [Symbol.dispose](): void {
    this.#closed = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
  }
}
