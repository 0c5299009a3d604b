import { Fault } from '@ostler/contract/fault.ts'
import { openSocketName } from '@ostler/kit/socket-name.ts'
import { connectDisplay, type DisplayPlace, type DisplaySocket } from './display-socket.ts'

const CONNECT_MS = 5_000

/**
 * Connects to a display's unix socket in a folder that the guest can write to.
 *
 * The guest could put a symbolic link there that leads to another desktop's socket. So the name is opened without
 * following links, what was opened must be a socket, and that very socket is connected to, through /proc.
 *
 * @throws Fault `display.unreachable`.
 */
export async function reachDisplay(vmId: number, path: string): Promise<DisplaySocket> {
  try {
    using socket = openSocketName(path)
    return await connectTo({ path: socket.path })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('display.unreachable', { desktop: vmId, reason }, { cause })
  }
}

/**
 * Connects to a port of a desktop, which is known by its address alone: whoever listens there must prove the rest.
 *
 * @param what names it to the person.
 * @throws Fault `tunnel.unreachable`.
 */
export async function reachPort(
  vmId: number,
  what: string,
  place: { readonly host: string; readonly port: number },
): Promise<DisplaySocket> {
  try {
    const display = await connectTo(place)
    display.socket.setNoDelay(true)
    return display
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('tunnel.unreachable', { desktop: vmId, what, reason }, { cause })
  }
}

function connectTo(place: DisplayPlace): Promise<DisplaySocket> {
  return new Promise((resolve, reject) => {
    const display = connectDisplay(place)
    const { socket } = display
    const timer = setTimeout(() => socket.destroy(new Error('it does not accept the connection')), CONNECT_MS)
    const failed = (error: Error): void => {
      clearTimeout(timer)
      reject(error)
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', failed)
      resolve(display)
    })
  })
}
