/**
 * Lets users wait for a desktop's row to change without asking the database again and again: a hint wakes them,
 * and a slow tick does where the hint was lost.
 */
export class VmNews {
  readonly #waiting = new Map<number, Set<() => void>>()

  /** Wakes those who wait for this desktop, or everyone. */
  announce(vmId: number | undefined): void {
    const sets =
      vmId === undefined ? [...this.#waiting.values()] : [this.#waiting.get(vmId) ?? new Set<() => void>()]
    for (const wake of sets.flatMap((set) => [...set])) wake()
  }

  /**
   * Begins to listen. What is announced between this call and `next` is not missed.
   * @returns `next`, which resolves at news or after `tickMs`, and rejects when the signal aborts.
   */
  listen(vmId: number, tickMs: number, signal: AbortSignal): { next(): Promise<void> } & Disposable {
    let fresh = false
    let wakeUp = (): void => {}
    const wake = (): void => {
      fresh = true
      wakeUp()
    }
    const set = this.#waiting.get(vmId) ?? new Set()
    this.#waiting.set(vmId, set.add(wake))
    return {
      next: async () => {
        signal.throwIfAborted()
        if (!fresh)
          await new Promise<void>((resolve, reject) => {
            const done = (): void => {
              clearTimeout(timer)
              signal.removeEventListener('abort', abort)
            }
            wakeUp = () => {
              done()
              resolve()
            }
            const abort = (): void => {
              done()
              reject(signal.reason as Error)
            }
            const timer = setTimeout(() => wakeUp(), tickMs)
            signal.addEventListener('abort', abort, { once: true })
          })
        wakeUp = () => {}
        fresh = false
      },
      [Symbol.dispose]: () => {
        set.delete(wake)
        if (set.size === 0) this.#waiting.delete(vmId)
      },
    }
  }
}
