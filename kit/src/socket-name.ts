import { closeSync, constants, fstatSync, openSync } from 'node:fs'

/** Linux's O_PATH: a handle on the file itself, whatever it is. Node does not name it. */
const O_PATH = 0o10000000

/** A unix socket that was found under a name which somebody else can change. */
export interface SocketHandle extends Disposable {
  /** A path that leads to exactly this socket, whatever becomes of the name, until the handle is disposed of. */
  readonly path: string
  /** Whose it is. */
  readonly uid: number
}

/**
 * Opens the name of a unix socket without following links.
 * @throws Error when the name is a link or missing, or what it names is no socket.
 */
export function openSocketName(name: string): SocketHandle {
  const fd = openSync(name, O_PATH | constants.O_NOFOLLOW)
  const stat = fstatSync(fd)
  if (!stat.isSocket()) {
    closeSync(fd)
    throw new Error('this is not a socket')
  }
  return { path: `/proc/self/fd/${fd}`, uid: stat.uid, [Symbol.dispose]: () => closeSync(fd) }
}
