import { closeSync, constants, existsSync, lstatSync, openSync } from 'node:fs'
import { Refusal, STATUS } from './protocol.ts'

/** A folder that nothing leads out of. Names are bytes: what they mean is the users' affair. */
export interface Confined extends Disposable {
  /**
   * Finds the folder that a path lies in, and does something with the path's last name there.
   *
   * No link is followed on the way: whoever shows the folder follows them at his end. `act` must not follow the last
   * name either.
   *
   * @param act gets a path that is good during the call.
   * @throws Refusal `permissionDenied` for a path with `..`; the system's errors.
   */
  reach<T>(path: Buffer, act: (place: Buffer) => T): T
}

const SLASH = 0x2f
/** Of Linux alone, so Node does not know it: opens a name without opening what it names. */
const O_PATH = 0o10000000
const STEP = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW

/** @throws the system's error when `root` cannot be opened. */
export function confine(root: string): Confined {
  return existsSync('/proc/self/fd') ? heldOpen(root) : lookedAt(root)
}

/**
 * Each folder on the way is held open and the next name looked up in it, so nobody can exchange one under our hands: neither
 * the desktop nor a program of this machine.
 */
export function heldOpen(root: string): Confined {
  const top = openSync(root, O_PATH | constants.O_DIRECTORY)
  return {
    reach: (path, act) => {
      const names = namesOf(path)
      const last = names.pop()
      let folder = top
      try {
        for (const name of names) {
          const next = openSync(placeIn(folder, name), STEP)
          if (folder !== top) closeSync(folder)
          folder = next
        }
        return act(placeIn(folder, last ?? Buffer.from('.')))
      } finally {
        if (folder !== top) closeSync(folder)
      }
    },
    [Symbol.dispose]: () => closeSync(top),
  }
}

/**
 * For systems that cannot look up a name in an open folder: each folder on the way is looked at first. The desktop cannot
 * exchange one meanwhile, for its requests are served one after the other; a program of this machine could.
 */
export function lookedAt(root: string): Confined {
  const top: Buffer = Buffer.from(root)
  return {
    reach: (path, act) => {
      const names = namesOf(path)
      const last = names.pop()
      let folder = top
      for (const name of names) {
        folder = join(folder, name)
        if (!lstatSync(folder).isDirectory()) throw new Refusal(STATUS.noSuchFile)
      }
      return act(last === undefined ? folder : join(folder, last))
    },
    [Symbol.dispose]: () => {},
  }
}

function placeIn(folder: number, name: Buffer): Buffer {
  return join(Buffer.from(`/proc/self/fd/${folder}`), name)
}

function join(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, Buffer.of(SLASH), name])
}

/** The names of a path; a leading slash means the shared folder. */
function namesOf(path: Buffer): Buffer[] {
  const names: Buffer[] = []
  for (let at = 0; at <= path.length;) {
    const slash = path.indexOf(SLASH, at)
    const end = slash === -1 ? path.length : slash
    const name = path.subarray(at, end)
    at = end + 1
    if (name.length === 0 || (name.length === 1 && name[0] === 0x2e)) continue
    if (name.includes(0) || (name.length === 2 && name[0] === 0x2e && name[1] === 0x2e))
      throw new Refusal(STATUS.permissionDenied)
    names.push(name)
  }
  return names
}
