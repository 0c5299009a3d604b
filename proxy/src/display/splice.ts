import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { DisplaySocket } from './display-socket.ts'

/** How a stream ended, and what went through it. */
export interface SpliceEnd {
  /** Which side closed, or what cut both: the signal or a limit. */
  readonly by: 'client' | 'display' | 'cut' | 'idle' | 'age'
  readonly bytesToClient: number
  readonly bytesToDisplay: number
  /** Milliseconds from the splice to the display's first byte; `undefined` when none came. */
  readonly firstByteMs: number | undefined
  /** The same for the client's first byte. */
  readonly firstClientByteMs: number | undefined
}

/** How long a stream may go on; 0 means any time. */
export interface StreamLimits {
  /** Milliseconds without a byte in either direction. Acted on at most a quarter later. */
  readonly idleMs: number
  /** Milliseconds in all. */
  readonly maxMs: number
}

export interface SpliceOptions {
  /** Bytes that the client sent behind its request. */
  readonly head?: Buffer
  /** Cuts both ends at once. */
  readonly signal: AbortSignal
  readonly limits?: StreamLimits
  readonly onFirstByte?: () => void
}

/** A display on another machine that is gone without a word is found by this; clients are the door's own care. */
const KEEP_ALIVE_MS = 60_000
/** From here on a chunk is part of a bulk: the next one is not read before it is gone. */
const BULK_BYTES = 16_384
/** Once one side has closed its half, or all, the other may be silent, or take nothing, for so long. */
const LAST_WORDS_MS = 10_000

/**
 * Carries bytes both ways, unchanged and in order, until either end closes or something cuts.
 *
 * A half-close is passed on; a slow reader pauses the other side, and what waits for it is at most one read and what
 * the streams' own marks allow. Both streams are destroyed when this resolves. Never rejects. Replaceable by a native
 * pump without a change elsewhere.
 */
export function splice(client: Duplex, display: DisplaySocket, options: SpliceOptions): Promise<SpliceEnd> {
  const began = performance.now()
  const { socket } = display
  // A TLS connection has encrypted what it was given when write() returns. Others keep it until it is sent.
  const takesAtOnce = client instanceof TLSSocket
  return new Promise((resolve) => {
    let bytesToClient = 0
    let bytesToDisplay = 0
    let firstByteMs: number | undefined
    let firstClientByteMs: number | undefined
    let ended = false
    const limits: Disposable[] = []

    const end = (by: SpliceEnd['by']): void => {
      if (ended) return
      ended = true
      options.signal.removeEventListener('abort', cut)
      for (const limit of limits) limit[Symbol.dispose]()
      client.destroy()
      socket.destroy()
      resolve({ by, bytesToClient, bytesToDisplay, firstByteMs, firstClientByteMs })
    }
    const cut = (): void => end('cut')
    const moved = (): number => bytesToClient + bytesToDisplay
    // A side that was closed in half or whole is not waited for without end.
    const lastWords = (by: 'client' | 'display'): void => {
      if (!ended) limits.push(whenQuiet(LAST_WORDS_MS, moved, () => end(by)))
    }
    // One side has closed in order: what it said must still reach the other.
    const endWhenFlushed = (by: 'client' | 'display', other: Duplex): void => {
      if (other.destroyed || !other.writableEnded || other.writableFinished) return end(by)
      other.once('finish', () => end(by))
      lastWords(by)
    }

    client.on('error', () => end('client'))
    socket.on('error', () => end('display'))
    client.on('close', () => endWhenFlushed('client', socket))
    socket.on('close', () => endWhenFlushed('display', client))
    options.signal.addEventListener('abort', cut, { once: true })
    if (options.signal.aborted) return cut()
    // Either may have closed before we listened.
    if (client.destroyed) return end('client')
    if (socket.destroyed) return end('display')

    const { idleMs, maxMs } = options.limits ?? { idleMs: 0, maxMs: 0 }
    if (idleMs > 0) limits.push(whenQuiet(idleMs, moved, () => end('idle')))
    if (maxMs > 0) limits.push(after(maxMs, () => end('age')))
    socket.setKeepAlive(true, KEEP_ALIVE_MS)

    const goOn = (): void => void socket.resume()
    client.on('drain', goOn)
    display.read((bytes) => {
      bytesToClient += bytes.length
      if (firstByteMs === undefined) {
        firstByteMs = performance.now() - began
        options.onFirstByte?.()
      }
      if (client.writableEnded) return true
      const taken = takesAtOnce && client.writableLength === 0 ? bytes : Buffer.from(bytes)
      if (bytes.length < BULK_BYTES) return client.write(taken)
      client.write(taken, goOn)
      return false
    })
    const displayEnded = (): void => {
      client.end()
      lastWords('display')
    }
    socket.on('end', displayEnded)
    // One at another node may have said all it had to before we listened.
    if (socket.readableEnded) displayEnded()

    const toDisplay = (bytes: Buffer): boolean => {
      bytesToDisplay += bytes.length
      firstClientByteMs ??= performance.now() - began
      return socket.write(bytes)
    }
    if (options.head !== undefined && options.head.length > 0) toDisplay(options.head)
    client.on('data', (bytes: Buffer) => {
      if (!toDisplay(bytes)) client.pause()
    })
    socket.on('drain', () => client.resume())
    client.on('end', () => {
      socket.end()
      lastWords('client')
    })
    client.resume()
  })
}

/** Calls once when a count has not changed for so long, or up to a quarter longer. It costs nothing per message. */
function whenQuiet(ms: number, count: () => number, call: () => void): Disposable {
  let before = count()
  let quiet = 0
  const timer = setInterval(() => {
    const now = count()
    quiet = now === before ? quiet + 1 : 0
    before = now
    if (quiet >= 4) call()
  }, ms / 4)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

function after(ms: number, call: () => void): Disposable {
  const timer = setTimeout(call, ms)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}
