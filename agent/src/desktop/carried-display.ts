import { Fault } from '@ostler/contract/fault.ts'
import { openSocketName } from '@ostler/kit/socket-name.ts'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const CONNECT_MS = 5_000

/**
 * Carries a display's unix socket over the connection that asked: for nodes that do not see our folders, because this
 * is a virtual machine. A link in place of the socket is not followed: the user could lead us to another one.
 *
 * @throws Fault `session.busy` before anything was answered, when the display is not there.
 */
export async function carryDisplay(
  path: string,
  protocol: string,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  carryOver(await open(path), protocol, socket, head)
}

/** Answers 101 to whoever asked for a display, and carries it over that connection until either end closes. */
export function carryOver(near: Socket, protocol: string, socket: Duplex, head: Buffer): void {
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`)
  if (head.length > 0) near.write(head)
  Promise.all([pipeline(socket, near), pipeline(near, socket)])
    .catch(() => {}) // an end that vanished is the normal end of a display
    .finally(() => {
      near.destroy()
      socket.destroy()
    })
}

async function open(path: string): Promise<Socket> {
  try {
    using name = openSocketName(path)
    const near = connect({ path: name.path, allowHalfOpen: true })
    near.on('error', () => near.destroy())
    try {
      await once(near, 'connect', { signal: AbortSignal.timeout(CONNECT_MS) })
      return near
    } catch (error) {
      near.destroy()
      throw error
    }
  } catch (cause) {
    throw new Fault('session.busy', { state: 'stopped' }, { cause })
  }
}
