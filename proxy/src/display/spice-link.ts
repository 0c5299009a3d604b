import type { Duplex } from 'node:stream'

/** What a SPICE client says first on each of its connections (spice/protocol.h: SpiceLinkHeader, SpiceLinkMess). */
export interface SpiceLink {
  /** The session that a channel belongs to; 0 asks for a new one. */
  readonly session: number
  /** Number of the channel's kind. */
  readonly channel: number
  /** All that was read: it belongs to the display. */
  readonly bytes: Buffer
}

const MAGIC = Buffer.from('REDQ')
const SESSION_AT = 16
const CHANNEL_AT = 20
const NEEDED = 21
/** A client says it in one write, as soon as it is connected. */
const LINK_MS = 10_000

/**
 * Reads what a SPICE client says first, and leaves the stream paused behind it.
 *
 * @param head bytes that came already.
 * @returns `undefined` when it is something else, or does not come in time.
 */
export async function readSpiceLink(
  client: Duplex,
  head: Buffer,
  signal: AbortSignal,
): Promise<SpiceLink | undefined> {
  let bytes = head
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(LINK_MS)])
  while (bytes.length < NEEDED) {
    const chunk = await nextChunk(client, deadline)
    if (chunk === undefined) return undefined
    bytes = Buffer.concat([bytes, chunk])
  }
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  return { session: bytes.readUInt32LE(SESSION_AT), channel: bytes.readUInt8(CHANNEL_AT), bytes }
}

/** `undefined` when no more comes. */
function nextChunk(stream: Duplex, deadline: AbortSignal): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const done = (chunk?: Buffer): void => {
      stream.pause()
      stream.off('data', done)
      stream.off('end', nothing)
      stream.off('close', nothing)
      deadline.removeEventListener('abort', nothing)
      resolve(chunk)
    }
    const nothing = (): void => done()
    if (deadline.aborted || stream.destroyed || stream.readableEnded) return done()
    deadline.addEventListener('abort', nothing, { once: true })
    stream.on('data', done)
    stream.once('end', nothing)
    stream.once('close', nothing)
    stream.resume()
  })
}
