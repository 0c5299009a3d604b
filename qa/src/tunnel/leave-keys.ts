/** What somebody typed, without the keys that were for us. */
export interface Typed {
  readonly bytes: Buffer
  /** True when she wants to leave: what follows is not typed any more. */
  readonly leave: boolean
}

const [TILDE, DOT, LINE_FEED, RETURN] = [0x7e, 0x2e, 0x0a, 0x0d]

/**
 * Reads the keys by which a console is left, as ssh does: at the begin of a line `~.` leaves, `~~` types one tilde, and
 * any other key after the tilde types both.
 */
export class LeaveKeys {
  #state: 'line begins' | 'tilde' | 'inside' = 'line begins'

  read(chunk: Uint8Array): Typed {
    const out: number[] = []
    for (const byte of chunk) {
      if (this.#state === 'line begins' && byte === TILDE) {
        this.#state = 'tilde'
        continue
      }
      if (this.#state === 'tilde') {
        if (byte === DOT) return { bytes: Buffer.from(out), leave: true }
        out.push(TILDE)
        this.#state = 'inside'
        if (byte === TILDE) continue
      }
      out.push(byte)
      this.#state = byte === LINE_FEED || byte === RETURN ? 'line begins' : 'inside'
    }
    return { bytes: Buffer.from(out), leave: false }
  }
}
