import { connect } from 'node:net'

/**
 * Whether something accepts a connection at a port of this machine. The connection is closed at once.
 * @param withinMs no answer in this time means no.
 */
export function acceptsConnections(port: number, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: withinMs })
    const end = (accepted: boolean): void => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
    socket.once('timeout', () => end(false))
  })
}
