import {
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'

/** The folders that are looked at; others in tests. */
export interface TimeZonePlaces {
  readonly zones: string
  readonly etc: string
}

/** What a zone's file begins with (tzfile(5)); there are other files beside them. */
const MAGIC = 'TZif'

const PLACES: TimeZonePlaces = { zones: '/usr/share/zoneinfo', etc: '/etc' }

/**
 * Sets the time zone of this desktop, which has one user at a time: programs that start from now on, and those that look at the
 * clock's zone anew, are in it.
 *
 * @param zone a name such as `Europe/Madrid`, whose form was checked.
 * @returns a warning when it cannot be set, else `undefined`.
 */
export function setTimeZone(zone: string, places = PLACES): string | undefined {
  const file = zoneFile(zone, places.zones)
  if (file === undefined) return `this desktop does not know the time zone ${zone}`
  const link = join(places.etc, 'localtime')
  const draft = `${link}.ostler`
  try {
    if (linkTarget(link) === file) return undefined
    rmSync(draft, { force: true })
    symlinkSync(file, draft)
    renameSync(draft, link)
    writeFileSync(join(places.etc, 'timezone'), `${relative(realpathSync(places.zones), file)}\n`)
    return undefined
  } catch (error) {
    return `the time zone ${zone} could not be set: ${error instanceof Error ? error.message : ''}`
  }
}

/** The zone's file behind all links: Debian has one there that leads to /etc/localtime, which would then lead to itself. */
function zoneFile(zone: string, zones: string): string | undefined {
  try {
    const file = realpathSync(join(zones, zone))
    if (!file.startsWith(`${realpathSync(zones)}/`)) return undefined
    return readFileSync(file).subarray(0, MAGIC.length).toString('latin1') === MAGIC ? file : undefined
  } catch {
    return undefined
  }
}

function linkTarget(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}
