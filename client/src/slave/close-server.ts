import type { Server, Socket } from 'node:net'

/** Notes the connections of a server from now on; its disposer closes it with all of them. */
export function closeServer(server: Server): AsyncDisposable {
  const open = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}
