/** What a client offers in its first words of TLS, as far as the door must know it before it answers. */
export interface ClientHello {
  /** Protocols, by ALPN. */
  readonly protocols: readonly string[]
  /** Names of the keys under which its tickets were sealed, 16 bytes each, hex. */
  readonly ticketKeys: readonly string[]
}

const HANDSHAKE = 0x16
const CLIENT_HELLO = 1
const EXTENSION = { alpn: 16, ticket: 35, preSharedKey: 41 } as const
const KEY_NAME_BYTES = 16

/**
 * Reads a client's first record of TLS 1.2 or 1.3, as far as it is one; whether it is good is for OpenSSL to say.
 * What is cut off, or goes on in another record, counts as nothing offered.
 */
export function readClientHello(record: Buffer): ClientHello {
  const protocols: string[] = []
  const ticketKeys: string[] = []
  const keyOf = (ticket: Buffer): void => {
    if (ticket.length > KEY_NAME_BYTES) ticketKeys.push(ticket.toString('hex', 0, KEY_NAME_BYTES))
  }
  try {
    const fields = new Fields(record)
    if (fields.number(1) !== HANDSHAKE) throw new RangeError('no handshake')
    fields.skip(4)
    if (fields.number(1) !== CLIENT_HELLO) throw new RangeError('no first words')
    fields.skip(3 + 2 + 32)
    fields.block(1)
    fields.block(2)
    fields.block(1)
    const extensions = new Fields(fields.block(2))
    while (!extensions.atEnd()) {
      const type = extensions.number(2)
      const body = extensions.block(2)
      if (type === EXTENSION.alpn) {
        const list = new Fields(new Fields(body).block(2))
        while (!list.atEnd()) protocols.push(list.block(1).toString('latin1'))
      } else if (type === EXTENSION.ticket) keyOf(body)
      else if (type === EXTENSION.preSharedKey) {
        const list = new Fields(new Fields(body).block(2))
        while (!list.atEnd()) {
          keyOf(list.block(2))
          list.skip(4)
        }
      }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { protocols: [], ticketKeys: [] }
  }
  return { protocols, ticketKeys }
}

/** Bytes that are read from their begin. @throws RangeError behind their end. */
class Fields {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  atEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  number(size: 1 | 2): number {
    const value = this.#bytes.readUIntBE(this.#at, size)
    this.#at += size
    return value
  }

  /** Bytes behind their length, which itself takes `size` bytes. */
  block(size: 1 | 2): Buffer {
    const length = this.number(size)
    this.skip(length)
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  skip(count: number): void {
    this.#at += count
    if (this.#at > this.#bytes.length) throw new RangeError('cut off')
  }
}
