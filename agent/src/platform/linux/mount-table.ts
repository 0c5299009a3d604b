import { closeSync, constants, openSync, readFileSync } from 'node:fs'

/** A line of `/proc/self/mountinfo`. */
export interface Mount {
  /** The kernel's number of this mount. */
  readonly id: number
  /** `major:minor`; of the filesystem's own making for some, as btrfs. */
  readonly device: string
  readonly point: string
  readonly source: string
  /** False also when the filesystem itself has turned read-only. */
  readonly writable: boolean
}

/** Everything that is mounted here, the oldest first; of several at one place, the last one is seen. */
export function mounts(): readonly Mount[] {
  return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/**
 * The mount that a file or folder is reached through. The kernel is asked, so that links, bind mounts and mounts on
 * top of others need no rules here.
 * @throws the system's error when `path` cannot be opened.
 */
export function mountOf(path: string): Mount {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  try {
    const id = Number(/^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1])
    const mount = mounts().find((each) => each.id === id)
    if (mount === undefined) throw new Error(`mount ${id} of ${path} is not in the kernel's table`)
    return mount
  } finally {
    closeSync(fd)
  }
}

/** Reads the text of a `mountinfo` (proc(5)); lines that are none are left out. */
export function parseMounts(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ')
    const [id, , device, , point, options] = before?.split(' ') ?? []
    const [, source, superOptions] = after?.split(' ') ?? []
    if (device === undefined || point === undefined || options === undefined) return []
    if (source === undefined || superOptions === undefined) return []
    const writable = [options, superOptions].every((list) => list.split(',').includes('rw'))
    return [{ id: Number(id), device, point: unescape(point), source: unescape(source), writable }]
  })
}

/** Blanks and backslashes are written as `\040` there. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
}
