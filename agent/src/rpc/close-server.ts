import type { Server, Socket } from 'node:net'

/**
 * Notes the connections of a server from now on.
 *
 * @returns a function that closes the server with all of them. A server itself does not count those whose handshake has not ended:
 *   a peer that says nothing would keep it for minutes.
 */
export function closerOf(server: Server): () => Promise<void> {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of open) socket.destroy()
    await closed
  }
}
