import { Fault } from '@ostler/contract/fault.ts'
import { chmodSync, chownSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { showSession, type ViewerParts } from './viewer.ts'

/**
 * Serves RFB on a unix socket of the display folder, for browsers behind the l7r.
 *
 * @param place the socket, and the node user who alone may open it.
 * @returns a disposer that stops listening; viewers that are connected stay.
 */
export async function serveRfb(
  place: { socket: string; owner: number },
  parts: ViewerParts,
): Promise<AsyncDisposable> {
  rmSync(place.socket, { force: true })
  const server = createServer({ pauseOnConnect: true }, (connection) => {
    connection.on('error', () => connection.destroy())
    try {
      const viewer = showSession(parts, connection, false)
      const left = parts.session.viewerCame()
      viewer.once('exit', left)
      viewer.once('error', left)
    } catch (error) {
      parts.log.warn('viewer refused', { error: error instanceof Fault ? error.message : error })
      connection.destroy()
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(place.socket, resolve)
  })
  chmodSync(place.socket, 0o600)
  chownSync(place.socket, place.owner, 0)
  return {
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
