import type { Duplex } from 'node:stream'

/** How a stream ended, and what went through it. */
export interface SpliceEnd {
  readonly by: 'client' | 'display' | 'cut'
  readonly bytesToClient: number
  readonly bytesToDisplay: number
  /** Milliseconds from the splice to the display's first byte; `undefined` when none came. */
  readonly firstByteMs: number | undefined
}

export interface SpliceOptions {
  /** Bytes that the client sent behind its request. */
  readonly head?: Buffer
  /** Cuts both ends at once. */
  readonly signal: AbortSignal
  readonly onFirstByte?: () => void
}

/**
 * Carries bytes both ways, unchanged and in order, until either end closes or the signal cuts.
 *
 * A half-close is passed on; a slow reader pauses the other side. Both streams are destroyed when this resolves.
 * Never rejects. Replaceable by a native pump without a change elsewhere.
 */
export function splice(client: Duplex, display: Duplex, options: SpliceOptions): Promise<SpliceEnd> {
  const began = performance.now()
  return new Promise((resolve) => {
    let bytesToClient = 0
    let bytesToDisplay = 0
    let firstByteMs: number | undefined
    let ended = false

    const end = (by: SpliceEnd['by']): void => {
      if (ended) return
      ended = true
      options.signal.removeEventListener('abort', cut)
      client.destroy()
      display.destroy()
      resolve({ by, bytesToClient, bytesToDisplay, firstByteMs })
    }
    const cut = (): void => end('cut')
    // One side has closed in order: what it said must still reach the other.
    const endWhenFlushed = (by: 'client' | 'display', other: Duplex): void => {
      if (other.destroyed || !other.writableEnded || other.writableFinished) return end(by)
      other.once('finish', () => end(by))
    }

    client.on('error', () => end('client'))
    display.on('error', () => end('display'))
    client.on('close', () => endWhenFlushed('client', display))
    display.on('close', () => endWhenFlushed('display', client))
    options.signal.addEventListener('abort', cut, { once: true })
    if (options.signal.aborted) return cut()
    // Either may have closed before we listened.
    if (client.destroyed) return end('client')
    if (display.destroyed) return end('display')

    pump(display, client, (length) => {
      bytesToClient += length
      if (firstByteMs !== undefined) return
      firstByteMs = performance.now() - began
      options.onFirstByte?.()
    })
    if (options.head !== undefined && options.head.length > 0) {
      bytesToDisplay += options.head.length
      display.write(options.head)
    }
    pump(client, display, (length) => (bytesToDisplay += length))
  })
}

/** One direction: data with back-pressure, then the half-close. */
function pump(from: Duplex, to: Duplex, count: (length: number) => void): void {
  from.on('data', (chunk: Buffer) => {
    count(chunk.length)
    if (!to.write(chunk)) from.pause()
  })
  to.on('drain', () => from.resume())
  from.on('end', () => to.end())
  from.resume()
}
