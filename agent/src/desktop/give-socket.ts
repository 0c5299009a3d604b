import { Fault } from '@ostler/contract/fault.ts'
import { openSocketName } from '@ostler/kit/socket-name.ts'
import { isSoleUser } from '../user/sole-user.ts'
import { chmodSync, chownSync } from 'node:fs'

/**
 * Gives a unix socket that a user made to another user, who alone may then connect to it.
 *
 * The user could put a link to any file of the system there instead, and we are root: so the name is opened without
 * following links, and what was opened, and nothing else, is changed if it is a socket of one of `owners`.
 *
 * @throws Fault `session.failed`.
 */
export function giveSocket(path: string, owners: readonly number[], to: { uid: number; gid: number }): void {
  try {
    using socket = openSocketName(path)
    if (!owners.includes(socket.uid)) throw new Error('this is not the socket of the session')
    if (isSoleUser() && to.uid !== socket.uid) {
      // She cannot give it away. On the node, only the door's user and root pass through the folders above it.
      chmodSync(socket.path, 0o666)
      return
    }
    chmodSync(socket.path, 0o600)
    chownSync(socket.path, to.uid, to.gid)
  } catch (cause) {
    const reason = `${path}: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new Fault('session.failed', { reason }, { cause })
  }
}
