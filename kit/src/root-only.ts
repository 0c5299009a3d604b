import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'

/** As many links as Linux follows. */
const MOST_LINKS = 40

/**
 * Why somebody else than root could exchange or write a file, or `undefined` when nobody could: it, and every folder and
 * link on the way to it, must be root's and writable by nobody else. Walks as the system does, link by link.
 * @param path absolute.
 * @throws Error of the system, such as `ENOENT`, when it cannot be looked at.
 */
export function openToOthers(path: string): string | undefined {
  const ahead = partsOf(path)
  let links = 0
  for (let place = '/', here: string | undefined = place; here !== undefined; here = ahead.shift()) {
    if (here === '..') {
      place = dirname(place)
      continue
    }
    const part: string = join(place, here)
    const stat = lstatSync(part)
    if (stat.uid !== 0) return `${part} belongs to user ${stat.uid}, not to root`
    if (isOpen(stat)) return `${part} can be written to by others than root`
    if (!stat.isSymbolicLink()) place = part
    else {
      if (++links > MOST_LINKS) return 'there are too many links on the way to it'
      const target = readlinkSync(part)
      if (target.startsWith('/')) place = '/'
      ahead.unshift(...partsOf(target))
    }
  }
  return undefined
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}

/** The group may write only where it is root's; the mode of a link says nothing, and a sticky folder keeps its entries. */
function isOpen(stat: Stats): boolean {
  if (stat.isSymbolicLink()) return false
  if (stat.isDirectory() && (stat.mode & 0o1000) !== 0) return false
  return (stat.mode & 0o002) !== 0 || ((stat.mode & 0o020) !== 0 && stat.gid !== 0)
}
