import {
  closeSync,
  openSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, normalize } from 'node:path'

/** The folders that are looked at; others in tests. */
export interface TimeZonePlaces {
  readonly zones: string
  readonly etc: string
}

const PLACES: TimeZonePlaces = { zones: '/usr/share/zoneinfo', etc: '/etc' }

/**
 * Sets the time zone of this desktop, which has one user at a time: programs that start from now on, and those that look at the
 * clock's zone anew, are in it.
 *
 * @param zone a name such as `Europe/Madrid`, whose form was checked.
 * @returns a warning when it cannot be set, else `undefined`.
 */
export function setTimeZone(zone: string, places = PLACES): string | undefined {
  const file = normalize(join(places.zones, zone))
  if (!file.startsWith(`${places.zones}/`) || !isZone(file))
    return `this desktop does not know the time zone ${zone}`
  const link = join(places.etc, 'localtime')
  const draft = `${link}.ostler`
  try {
    if (linkTarget(link) === file) return undefined
    rmSync(draft, { force: true })
    symlinkSync(file, draft)
    renameSync(draft, link)
    writeFileSync(join(places.etc, 'timezone'), `${zone}\n`)
    return undefined
  } catch (error) {
    return `the time zone ${zone} could not be set: ${error instanceof Error ? error.message : ''}`
  }
}

/** Lists and tables lie in the same folder; the files of zones say what they are (tzfile(5)). */
function isZone(file: string): boolean {
  try {
    const fd = openSync(file, 'r')
    try {
      const magic = Buffer.alloc(4)
      readSync(fd, magic)
      return magic.toString('latin1') === 'TZif'
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}

function linkTarget(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}
