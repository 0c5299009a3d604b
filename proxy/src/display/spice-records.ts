import { Duplex } from 'node:stream'

/** The server's answer to a link: a header with the size of what follows, and behind both the result. */
const REPLY_HEADER = 16
const REPLY_SIZE_AT = 12
const RESULT = 4
/** In the answer: the number of the words of common capabilities, and where they are from the header's end. */
const COMMON_WORDS_AT = 166
const CAPABILITIES_AT = 174
const MINI_HEADER = 1 << 3
/** No server's answer is longer; what is, is none. */
const MAX_REPLY = 4_096

/** Where a message's size stands in its header (spice/protocol.h: SpiceMiniDataHeader, SpiceDataHeader). */
const MINI = { length: 6, sizeAt: 2 } as const
const FULL = { length: 18, sizeAt: 10 } as const

/** Cuts what a SPICE server says to a client into its messages, however it comes in pieces. */
export class SpiceMessages {
  #step: 'reply' | 'result' | 'messages' | 'anything' = 'reply'
  #shape: typeof MINI | typeof FULL = FULL
  #header = Buffer.alloc(REPLY_HEADER)
  #seen = 0
  #left = 0
  #reply: Buffer[] = []

  /** @returns the same bytes in pieces, none of which has the end of one message and the beginning of another. */
  cut(bytes: Buffer): Buffer[] {
    const pieces: Buffer[] = []
    let start = 0
    for (let at = 0; at < bytes.length && this.#step !== 'anything';) {
      const inHeader = this.#left === 0
      const take = Math.min(inHeader ? this.#header.length - this.#seen : this.#left, bytes.length - at)
      const part = bytes.subarray(at, at + take)
      at += take
      if (inHeader) {
        part.copy(this.#header, this.#seen)
        this.#seen += take
        if (this.#seen < this.#header.length) break
        this.#left = this.#sizeOfBody()
      } else {
        this.#left -= take
        if (this.#step === 'reply') this.#reply.push(part)
      }
      if (this.#left > 0) continue
      pieces.push(bytes.subarray(start, at))
      start = at
      this.#next()
    }
    if (start < bytes.length) pieces.push(bytes.subarray(start))
    return pieces
  }

  #sizeOfBody(): number {
    if (this.#step === 'result') return 0
    if (this.#step === 'messages') return this.#header.readUInt32LE(this.#shape.sizeAt)
    const size = this.#header.readUInt32LE(REPLY_SIZE_AT)
    if (size <= MAX_REPLY) return size
    this.#step = 'anything'
    return 0
  }

  #next(): void {
    if (this.#step === 'anything') return
    if (this.#step === 'reply') {
      this.#shape = hasMiniHeader(Buffer.concat(this.#reply)) ? MINI : FULL
      this.#reply = []
      this.#step = 'result'
      this.#header = Buffer.alloc(RESULT)
    } else if (this.#step === 'result') {
      this.#step = 'messages'
      this.#header = Buffer.alloc(this.#shape.length)
    }
    this.#seen = 0
  }
}

/** Clients behind a proxy have had it since they have known proxies: what the server says decides. */
function hasMiniHeader(reply: Buffer): boolean {
  if (reply.length < CAPABILITIES_AT + 4 || reply.readUInt32LE(COMMON_WORDS_AT) === 0) return false
  const at = reply.readUInt32LE(CAPABILITIES_AT)
  return at + 4 <= reply.length && (reply.readUInt32LE(at) & MINI_HEADER) !== 0
}

/**
 * A client of SPICE over TLS who gets each message in TLS records of its own. spice-gtk behind a proxy with TLS looks
 * for the next message on its socket alone: one that came in the record of another it would not see until more comes
 * (docs/decisions/0028).
 */
export function spiceRecords(client: Duplex): Duplex {
  const messages = new SpiceMessages()
  const stream = new Duplex({
    read: () => void client.resume(),
    // One after the other: what waits together would be encrypted together.
    write: (bytes: Buffer, _, done) => {
      const pieces = messages.cut(bytes)
      const next = (error?: Error | null): void => {
        const piece = pieces.shift()
        if (error != null || piece === undefined) return done(error)
        client.write(piece, next)
      }
      next()
    },
    final: (done) => void client.end(done),
    destroy: (error, done) => {
      client.destroy()
      done(error)
    },
  })
  client.on('data', (bytes: Buffer) => {
    if (!stream.push(bytes)) client.pause()
  })
  client.once('end', () => stream.push(null))
  client.once('error', () => stream.destroy())
  client.once('close', () => stream.destroy())
  return stream
}
