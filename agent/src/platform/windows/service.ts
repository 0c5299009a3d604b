import type { Readable } from 'node:stream'

/**
 * Calls `stop` once when the service that has started us lets go of our standard input: Windows has no signals.
 * @param input standard input; what comes by it is thrown away.
 */
export function stopWithService(input: Readable, stop: () => void): void {
  input.once('error', () => {}) // 'close' follows
  input.once('close', stop).resume()
}
