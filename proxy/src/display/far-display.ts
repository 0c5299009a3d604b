import { type ConnectionOptions, connect } from 'node:tls'
import type { DisplaySocket } from './display-socket.ts'

/** How a display at the other end of a TLS connection is asked for. */
export interface FarDisplay {
  /** Who is called, what we show, and what the other end must show. */
  readonly tls: ConnectionOptions
  /** The protocol that both must agree on by ALPN. */
  readonly protocol: string
  /** What is sent first. */
  readonly request: Buffer
  /**
   * Reads the answer out of what came so far.
   * @returns how many bytes it takes, the display's own come behind it; `undefined` while there is more to come.
   * @throws what is then thrown by `connectFarDisplay`: a refusal, or that this is no answer.
   */
  readonly takeAnswer: (bytes: Buffer) => number | undefined
  /** For the connection, and again for the answer. */
  readonly ms: number
  /** Gives up before the answer; afterwards it has no effect. */
  readonly signal: AbortSignal
}

/** OpenSSL hands out at most one record at a time, which is copied here and consumed in the same step. */
const RECORD = Buffer.allocUnsafeSlow(16_384)
const NOTHING = Buffer.alloc(0)
/** The other end is a door: one whose node is gone is missed soon. */
const KEEP_ALIVE_MS = 10_000

/**
 * Connects to a display through somebody who answers for it. As with a unix socket nothing of the display is handed
 * over before `read`, and a consumer that says false stops the other end; but what OpenSSL has already taken
 * out of the network, 64 KB at most, still comes.
 *
 * @throws Error saying what failed on the way: the connection, a certificate, the protocol, a deadline, the answer; or the
 *   signal's reason.
 */
export function connectFarDisplay(far: FarDisplay): Promise<DisplaySocket> {
  return new Promise((resolve, reject) => {
    far.signal.throwIfAborted()
    let kept = NOTHING
    let consumer = (bytes: Buffer): boolean => {
      kept = Buffer.concat([kept, bytes])
      return tryAnswer()
    }
    const onread = {
      buffer: RECORD,
      callback: (length: number) => consumer(RECORD.subarray(0, length)),
    }
    const options = { ...far.tls, ALPNProtocols: [far.protocol], allowHalfOpen: true, onread }
    const socket = connect(options)
    socket.on('error', () => socket.destroy())
    const timer = setTimeout(() => failed(new Error('it does not answer in time')), far.ms)
    const failed = (error: Error): void => {
      clearTimeout(timer)
      far.signal.removeEventListener('abort', left)
      reject(error)
      socket.destroy()
    }
    const left = (): void => {
      const reason: unknown = far.signal.reason
      failed(reason instanceof Error ? reason : new Error('it is not wanted any more'))
    }
    far.signal.addEventListener('abort', left, { once: true })
    const closed = (): void => failed(new Error('it closed the connection without an answer'))
    socket.once('error', failed)
    socket.once('close', closed)
    socket.once('end', closed)
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol !== far.protocol) return failed(new Error('it speaks another protocol'))
      timer.refresh()
      socket.setNoDelay(true)
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      socket.write(far.request)
    })
    const tryAnswer = (): boolean => {
      let length: number | undefined
      try {
        length = far.takeAnswer(kept)
      } catch (error) {
        failed(error instanceof Error ? error : new Error(String(error)))
        return false
      }
      if (length === undefined) return true
      clearTimeout(timer)
      far.signal.removeEventListener('abort', left)
      socket.off('error', failed)
      socket.off('close', closed)
      socket.off('end', closed)
      kept = kept.subarray(length)
      consumer = (bytes) => {
        kept = Buffer.concat([kept, bytes])
        return false
      }
      resolve({
        socket,
        read: (given) => {
          const first = kept
          kept = NOTHING
          consumer = given
          if (first.length === 0 || given(first)) socket.resume()
        },
      })
      return false
    }
  })
}
