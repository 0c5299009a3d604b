import type { Socket } from 'node:net'

/** Reads a socket piece by piece, each with a deadline, so that it can be given to another reader in between. */
export class SocketInput {
  readonly #socket: Socket
  #wake: () => void = () => {}
  readonly #onEvent = (): void => this.#wake()

  constructor(socket: Socket) {
    this.#socket = socket
    // The error itself is of no interest: the close behind it is.
    socket.on('error', ignore)
    for (const event of EVENTS) socket.on(event, this.#onEvent)
  }

  isGone(): boolean {
    return this.#socket.destroyed
  }

  /**
   * The next bytes.
   * @param hurry as soon as it aborts, it is late.
   * @returns `ended` when the other side has finished, `gone` when the connection is closed, `late` after `ms`.
   */
  async read(ms: number, hurry?: AbortSignal): Promise<Buffer | 'ended' | 'gone' | 'late'> {
    const deadline = performance.now() + ms
    for (;;) {
      if (this.#socket.destroyed) return 'gone'
      const chunk = this.#socket.read() as Buffer | null
      if (chunk !== null) return chunk
      if (this.#socket.readableEnded) return 'ended'
      const left = deadline - performance.now()
      if (left <= 0 || hurry?.aborted === true) return 'late'
      hurry?.addEventListener('abort', this.#onEvent, { once: true })
      await this.#event(left)
      hurry?.removeEventListener('abort', this.#onEvent)
    }
  }

  /** Waits until everything written has gone out. @returns false when it does not within `ms`. */
  async drained(ms: number): Promise<boolean> {
    const deadline = performance.now() + ms
    while (this.#socket.writableNeedDrain && !this.#socket.destroyed) {
      const left = deadline - performance.now()
      if (left <= 0) return false
      await this.#event(left)
    }
    return true
  }

  /** Leaves the socket to another reader. Its errors stay harmless. */
  release(): void {
    for (const event of EVENTS) this.#socket.off(event, this.#onEvent)
  }

  async #event(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = setTimeout(resolve, ms)
    })
    clearTimeout(timer)
    this.#wake = () => {}
  }
}

const EVENTS = ['readable', 'end', 'drain', 'close'] as const

function ignore(): void {}
