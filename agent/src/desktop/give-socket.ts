import { Fault } from '@ostler/contract/fault.ts'
import { chmodSync, chownSync, closeSync, constants, fstatSync, openSync } from 'node:fs'

/** Linux's O_PATH: a handle on the file itself, whatever it is. Node does not name it. */
const O_PATH = 0o10000000

/**
 * Gives a unix socket that a user made to another user, who alone may then connect to it.
 *
 * The user could put a link to any file of the system there instead, and we are root: so the name is opened without
 * following links, and what was opened, and nothing else, is changed if it is a socket of one of `owners`.
 *
 * @throws Fault `session.failed`.
 */
export function giveSocket(path: string, owners: readonly number[], to: { uid: number; gid: number }): void {
  let fd: number | undefined
  try {
    fd = openSync(path, O_PATH | constants.O_NOFOLLOW)
    const stat = fstatSync(fd)
    if (!stat.isSocket() || !owners.includes(stat.uid))
      throw new Error('this is not the socket of the session')
    chmodSync(`/proc/self/fd/${fd}`, 0o600)
    chownSync(`/proc/self/fd/${fd}`, to.uid, to.gid)
  } catch (cause) {
    const reason = `${path}: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new Fault('session.failed', { reason }, { cause })
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
