import { Duplex } from 'node:stream'

/**
 * A stream whose words are held back until it is released: who gets it may begin to speak before the answer has been written that
 * must come first. Until then its end does not touch the stream below.
 */
export class HeldStream extends Duplex {
  readonly #below: Duplex
  readonly #released = Promise.withResolvers<undefined>()
  #isReleased = false
  #isReading = false
  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#below.pause()
  }
  readonly #onEnd = (): void => void this.push(null)

  constructor(below: Duplex) {
    super({ allowHalfOpen: true })
    this.#below = below
    below.once('close', () => this.destroy())
  }

  release(): void {
    this.#isReleased = true
    this.#released.resolve(undefined)
    if (this.destroyed) this.#below.destroy()
  }

  override _read(): void {
    if (!this.#isReading) {
      this.#isReading = true
      this.#below.on('data', this.#onData).once('end', this.#onEnd)
    }
    this.#below.resume()
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    void this.#released.promise.then(() => this.#below.write(chunk, done))
  }

  override _final(done: (error?: Error | null) => void): void {
    void this.#released.promise.then(() => this.#below.end(done))
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#below.off('data', this.#onData).off('end', this.#onEnd)
    if (this.#isReleased) this.#below.destroy()
    else this.#below.pause()
    done(error)
  }
}
