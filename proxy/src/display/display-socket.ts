import { connect, type Socket } from 'node:net'

/** A connection to a display whose bytes are handed over in place. */
export interface DisplaySocket {
  /** Comes with `allowHalfOpen`, paused, and with a listener for errors that destroys it. Emits no `data`. */
  readonly socket: Socket
  /**
   * Begins to read. The consumer gets bytes that are its own only until it returns: what it keeps it must copy.
   * It returns false to get no more until `socket.resume()`.
   */
  read(consumer: (bytes: Buffer) => boolean): void
}

/**
 * All displays are read through this one buffer: libuv fills it and calls the consumer in one step. A read per
 * 256 KB costs a third less than one per 64 KB. But a TLS connection keeps, as long as it lives, a buffer as large as
 * the largest write that it has ever seen; so reads are small at first, and only so many streams that go on and on
 * get large ones (docs/decisions/0024).
 */
const WIDE = Buffer.allocUnsafeSlow(262_144)
const NARROW = WIDE.subarray(0, 24_576)
/** So many connections may keep a large buffer: 32 MB in all. */
const MAX_WIDE = 128
/** A stream that fills its reads for so long, at such a rate, is one that goes on. */
const WIDE_AFTER_BYTES = 4_194_304
const WINDOW_MS = 1_000

let wideOnes = 0

/** A unix socket's path, or a port of a desktop. */
export type DisplayPlace = { readonly path: string } | { readonly host: string; readonly port: number }

/** Connects to a socket. Nothing is read before `read`; whoever waits for `connect` sets a deadline. */
export function connectDisplay(place: DisplayPlace): DisplaySocket {
  let consumer: ((bytes: Buffer) => boolean) | undefined
  let view = NARROW
  let windowFrom = 0
  let windowBytes = 0

  /** After a read that was full: counts it, and widens the next ones when the stream goes on. */
  const countFull = (): void => {
    const now = performance.now()
    if (now - windowFrom > WINDOW_MS) [windowFrom, windowBytes] = [now, 0]
    windowBytes += NARROW.length
    if (windowBytes < WIDE_AFTER_BYTES || wideOnes >= MAX_WIDE) return
    wideOnes += 1
    view = WIDE
    socket.once('close', () => (wideOnes -= 1))
  }
  const socket = connect({
    ...place,
    allowHalfOpen: true,
    onread: {
      buffer: () => view,
      callback: (length, buffer) => {
        if (length === NARROW.length && view === NARROW) countFull()
        return consumer?.((buffer as Buffer).subarray(0, length)) ?? false
      },
    },
  })
  socket.on('error', () => socket.destroy())
  socket.pause()
  return {
    socket,
    read: (given) => {
      consumer = given
      socket.resume()
    },
  }
}

/** A stream that is open already, such as one over TLS: its bytes come in pieces of their own. */
export function displayOn(socket: Socket): DisplaySocket {
  return {
    socket,
    read: (consumer) => {
      socket.on('data', (bytes: Buffer) => {
        if (!consumer(bytes)) socket.pause()
      })
      socket.resume()
    },
  }
}
