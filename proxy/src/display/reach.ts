import { Fault } from '@ostler/contract/fault.ts'
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { connect, type Socket } from 'node:net'

/** Linux's O_PATH: a handle on the file itself, whatever it is. Node does not name it. */
const O_PATH = 0o10000000
const CONNECT_MS = 5_000

/**
 * Connects to a display's unix socket in a folder that the guest can write to.
 *
 * The guest could put a symbolic link there that leads to another desktop's socket. So the name is opened without
 * following links, what was opened must be a socket, and that very socket is connected to, through /proc.
 *
 * @throws Fault `display.unreachable`. The socket comes with `allowHalfOpen`, and without listeners.
 */
export async function reachDisplay(vmId: number, path: string): Promise<Socket> {
  let fd: number | undefined
  try {
    fd = openSync(path, O_PATH | constants.O_NOFOLLOW)
    if (!fstatSync(fd).isSocket()) throw new Error('this is not a socket')
    return await connectTo(`/proc/self/fd/${fd}`)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('display.unreachable', { desktop: vmId, reason }, { cause })
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function connectTo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true })
    const timer = setTimeout(() => socket.destroy(new Error('it does not accept the connection')), CONNECT_MS)
    const failed = (error: Error): void => {
      clearTimeout(timer)
      reject(error)
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', failed)
      socket.on('error', () => socket.destroy()) // whoever splices it adds its own in the same tick
      socket.pause()
      resolve(socket)
    })
  })
}
