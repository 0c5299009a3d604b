import type { Log } from '@ostler/kit/log.ts'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, type WebSocket } from 'ws'
import { asFault, referenceOf } from '../respond.ts'

/** Close codes of our own: 4000 plus the fault's HTTP status. The reason says it in words. */
const CLOSE_BASE = 4_000
/** Bytes that a close frame has room for. */
const MAX_REASON = 120
/** So long a browser has to take what was said last. */
const LINGER_MS = 5_000

/** A browser's WebSocket as a stream; once it is disposed of, the browser has a moment to take the last words. */
export interface BrowserStream extends Disposable {
  /** Keeps what the browser sends from the first message on: it may come before there is anybody to read it. */
  readonly stream: Duplex
  /** Aborts when the browser has left. */
  readonly left: AbortSignal
}

/** Takes a WebSocket right behind its handshake: call it before anything is waited for. */
export function takeBrowser(webSocket: WebSocket): BrowserStream {
  const left = new AbortController()
  webSocket.on('error', () => webSocket.terminate())
  webSocket.once('close', () => left.abort(new Error('the browser left')))
  const stream = streamOf(webSocket)
  stream.on('error', () => stream.destroy())
  return {
    stream,
    left: left.signal,
    [Symbol.dispose]: () => {
      if (webSocket.readyState === webSocket.CLOSED) return
      const deadline = setTimeout(() => webSocket.terminate(), LINGER_MS)
      webSocket.once('close', () => clearTimeout(deadline))
    },
  }
}

/**
 * The bytes of a WebSocket as a stream. Its end does not tear the socket down, or the closing words would be lost
 * that wait behind the last picture; and it ends with the socket, however much of it was read.
 */
function streamOf(webSocket: WebSocket): Duplex {
  const stream = createWebSocketStream(webSocket)
  stream._destroy = (error, done) => {
    done(error)
    process.nextTick(() => stream.emit('close'))
  }
  webSocket.once('close', () => stream.destroy())
  return stream
}

/** Closes with the code and the sentence of a failure. */
export function closeWith(webSocket: WebSocket, error: unknown, log: Log, connection: string): void {
  if (webSocket.readyState !== webSocket.OPEN) return
  const fault = asFault(error, log, connection)
  const reference = referenceOf(fault, connection)
  const sentence = Buffer.from(fault.message)
    .subarray(0, MAX_REASON - reference.length)
    .toString('utf8')
    .replace(/\ufffd$/, '')
  webSocket.close(CLOSE_BASE + fault.status, sentence + reference)
}
