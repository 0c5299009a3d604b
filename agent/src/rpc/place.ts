import type { Server } from 'node:net'
import { freeName } from '../desktop/free-name.ts'
import { giveSocket } from '../desktop/give-socket.ts'

/** Where the agent listens: on a port of every address, or at a unix socket in the display folder. */
export type Place =
  | { readonly port: number }
  | {
      readonly socket: string
      /** The node's user who alone may connect. */
      readonly owner: number
    }

/**
 * Has a server listen. What an agent that was killed has left at a socket's name is removed.
 * @throws Error of the system, Fault `session.failed` when a user exchanged the socket in that moment.
 */
export async function listenAt(server: Server, place: Place): Promise<void> {
  if ('socket' in place) freeName(place.socket)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen('socket' in place ? { path: place.socket } : { port: place.port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  if (!('socket' in place)) return
  try {
    // A user who has a session may have put a link there meanwhile.
    giveSocket(place.socket, [process.getuid?.() ?? 0], { uid: place.owner, gid: 0 })
  } catch (error) {
    server.close()
    throw error
  }
}
