/** Reads and writes PulseAudio's native protocol: frames of a length, a channel, an offset and flags, big-endian. */

const HEADER_BYTES = 20
/** The channel of requests and answers; the others carry sound. */
const CONTROL = 0xffff_ffff
/** What a sane peer stays below; PulseAudio itself sends blocks of 64 KiB. */
const LONGEST_FRAME = 1 << 20

/** One frame, header and all. */
export interface PulseFrame {
  readonly bytes: Buffer
  readonly isControl: boolean
  /** Not plain sound at the end of the stream: memory that is shared, or the like. */
  readonly hasFlags: boolean
}

/** Cuts a stream into frames. */
export class PulseFrames {
  #rest: Buffer = Buffer.alloc(0)

  /**
   * Takes bytes as they come, and returns the frames that they complete.
   * @throws RangeError when a frame is too long to be one.
   */
  take(bytes: Buffer): PulseFrame[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const frames: PulseFrame[] = []
    while (this.#rest.length >= HEADER_BYTES) {
      const length = this.#rest.readUInt32BE(0)
      if (length > LONGEST_FRAME) throw new RangeError('a frame is too long')
      if (this.#rest.length < HEADER_BYTES + length) break
      const frame = this.#rest.subarray(0, HEADER_BYTES + length)
      frames.push({
        bytes: frame,
        isControl: frame.readUInt32BE(4) === CONTROL,
        hasFlags: frame.readUInt32BE(16) > SEEK_MODES,
      })
      this.#rest = this.#rest.subarray(HEADER_BYTES + length)
    }
    return frames
  }
}

/** Flags up to here say from where an offset counts. */
const SEEK_MODES = 0xff

/** What a control frame says, without its header. */
export function controlBody(frame: PulseFrame): Buffer {
  return frame.bytes.subarray(HEADER_BYTES)
}

/** A control frame of these parts. */
export function controlFrame(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(body.length, 0)
  header.writeUInt32BE(CONTROL, 4)
  return Buffer.concat([header, body])
}

/** A number as it stands in a control frame. */
export function pulseNumber(value: number): Buffer {
  const bytes = Buffer.from('L0000', 'latin1')
  bytes.writeUInt32BE(value >>> 0, 1)
  return bytes
}

/** Bytes as they stand in a control frame. */
export function pulseBytes(value: Buffer): Buffer {
  const head = Buffer.from('x0000', 'latin1')
  head.writeUInt32BE(value.length, 1)
  return Buffer.concat([head, value])
}

/** Reads the values of a control frame one after the other; each has a letter before it. Throws RangeError at another. */
export class PulseReader {
  readonly #body: Buffer
  #at = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  number(): number {
    this.#expect('L')
    return this.#take(4).readUInt32BE(0)
  }

  bytes(): Buffer {
    this.#expect('x')
    return this.#take(this.#take(4).readUInt32BE(0))
  }

  /** `undefined` for the text that is none. */
  text(): string | undefined {
    const letter = this.#letter()
    if (letter === 'N') return undefined
    if (letter !== 't') throw new RangeError('no text')
    const end = this.#body.indexOf(0, this.#at)
    if (end < 0) throw new RangeError('a text has no end')
    const text = this.#take(end - this.#at).toString('utf8')
    this.#take(1)
    return text
  }

  skipSampleSpec(): void {
    this.#expect('a')
    this.#take(6)
  }

  skipChannelMap(): void {
    this.#expect('m')
    this.#take(this.#take(1).readUInt8(0))
  }

  skipFlags(count: number): void {
    for (let left = count; left > 0; left--) {
      const letter = this.#letter()
      if (letter !== '0' && letter !== '1') throw new RangeError('no flag')
    }
  }

  skipProperties(): void {
    this.#expect('P')
    while (this.text() !== undefined) {
      this.number()
      this.bytes()
    }
  }

  #expect(wanted: string): void {
    if (this.#letter() !== wanted) throw new RangeError(`no ${wanted}`)
  }

  #letter(): string {
    return this.#take(1).toString('latin1')
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#body.length) throw new RangeError('a value is cut short')
    const taken = this.#body.subarray(this.#at, this.#at + length)
    this.#at += length
    return taken
  }
}
