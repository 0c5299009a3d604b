import { Fault } from '@ostler/contract/fault.ts'
import { createServer, type Socket } from 'node:net'
import { freeName } from './free-name.ts'
import { giveSocket } from './give-socket.ts'
import { showSession, type ViewerParts } from './viewer.ts'

const ROOT = 0

/**
 * Serves RFB on a unix socket of the display folder, for browsers behind the l7r.
 *
 * @param place the socket, and the node user who alone may open it.
 * @returns a disposer that stops listening; viewers that are connected stay.
 * @throws Fault `session.failed` when a user exchanged the socket in that moment.
 */
export async function serveRfb(
  place: { socket: string; owner: number },
  parts: ViewerParts,
): Promise<AsyncDisposable> {
  freeName(place.socket)
  const server = createServer({ pauseOnConnect: true }, (connection) => {
    connection.on('error', () => connection.destroy())
    showToViewer(parts, connection)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(place.socket, resolve)
  })
  try {
    // A user who has a session may have put a link there meanwhile.
    giveSocket(place.socket, [ROOT], { uid: place.owner, gid: ROOT })
  } catch (error) {
    server.close()
    throw error
  }
  return {
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Shows the session to a viewer of its user's; closes the connection when there is none to see. */
export function showToViewer(parts: ViewerParts, connection: Socket): void {
  try {
    const viewer = showSession(parts, connection, false)
    const left = parts.session.viewerCame()
    viewer.once('exit', left)
    viewer.once('error', left)
  } catch (error) {
    parts.log.warn('viewer refused', { error: error instanceof Fault ? error.message : error })
    connection.destroy()
  }
}
