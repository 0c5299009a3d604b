/**
 * Lets a few pass in each turn of the event loop and queues the others. For work that keeps the processor busy and
 * cannot be interrupted: between two turns everybody else is served.
 */
export class TurnQueue {
  readonly #perTurn: number
  #waiting: (() => void)[] = []

  constructor(perTurn: number) {
    this.#perTurn = perTurn
  }

  /** Resolves when it is the caller's turn, in the order of the calls. */
  pass(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.push(resolve) === 1) setImmediate(() => this.#turn())
    })
  }

  #turn(): void {
    for (const resolve of this.#waiting.slice(0, this.#perTurn)) resolve()
    this.#waiting = this.#waiting.slice(this.#perTurn)
    if (this.#waiting.length > 0) setImmediate(() => this.#turn())
  }
}
