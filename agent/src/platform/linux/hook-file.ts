import { type Stats, statSync, lstatSync, readlinkSync, realpathSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Why a hook file must not be run as root, or `undefined` when it may: it, and every folder and link on the way to it, must be
 * root's and writable by nobody else.
 */
export function hookFileProblem(file: string): string | undefined {
  if (!file.startsWith('/')) return 'it is not an absolute path'
  try {
    const real = realpathSync(file)
    const stat = statSync(real)
    if (!stat.isFile()) return 'it is not a file'
    if ((stat.mode & 0o111) === 0) return 'it is not executable'
    return openPart(file) ?? openPart(real)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'there is no such file' : message
  }
}

/** The first part of a path that somebody else than root could exchange. */
function openPart(path: string): string | undefined {
  for (let part = path; ; part = dirname(part)) {
    const stat = lstatSync(part)
    if (stat.uid !== 0) return `${part} belongs to user ${stat.uid}, not to root`
    if (isOpen(stat)) return `${part} can be written to by others than root`
    if (stat.isSymbolicLink()) {
      const target = readlinkSync(part)
      // Link by link: of several that lead on to each other, one in between may lie where somebody else can exchange it.
      const problem = openPart(resolve(realpathSync(dirname(part)), target))
      if (problem !== undefined) return `${part} leads to ${target}: ${problem}`
    }
    if (part === '/') return undefined
  }
}

/** The group may write only where it is root's; the mode of a link says nothing, and a sticky folder keeps its entries. */
function isOpen(stat: Stats): boolean {
  if (stat.isSymbolicLink()) return false
  if (stat.isDirectory() && (stat.mode & 0o1000) !== 0) return false
  return (stat.mode & 0o002) !== 0 || ((stat.mode & 0o020) !== 0 && stat.gid !== 0)
}
