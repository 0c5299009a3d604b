import { lstatSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Why a hook file must not be run as root, or `undefined` when it may: it, and every folder and link on the way to it, must be
 * root's and writable by nobody else.
 */
export function hookFileProblem(file: string): string | undefined {
  if (!file.startsWith('/')) return 'it is not an absolute path'
  try {
    const stat = statSync(file)
    if (!stat.isFile()) return 'it is not a file'
    if ((stat.mode & 0o111) === 0) return 'it is not executable'
    return openPart(file)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'there is no such file' : message
  }
}

/** The first name on the way to a file, through every link, that somebody else than root could exchange. */
function openPart(file: string): string | undefined {
  const ahead = file.split('/')
  let folder = '/'
  let problem = partProblem(folder)
  for (let name = ahead.shift(); name !== undefined && problem === undefined; name = ahead.shift()) {
    // No link is left in what we have passed, so that its parent is the folder above.
    if (name === '..') folder = dirname(folder)
    if (['', '.', '..'].includes(name)) continue
    const part = join(folder, name)
    problem = partProblem(part)
    if (!lstatSync(part).isSymbolicLink()) {
      folder = part
      continue
    }
    const target = readlinkSync(part)
    if (target.startsWith('/')) folder = '/'
    ahead.unshift(...target.split('/'))
  }
  return problem
}

function partProblem(part: string): string | undefined {
  const stat = lstatSync(part)
  if (stat.uid !== 0) return `${part} belongs to user ${stat.uid}, not to root`
  if (isOpen(stat)) return `${part} can be written to by others than root`
  return undefined
}

/** The group may write only where it is root's; the mode of a link says nothing, and a sticky folder keeps its entries. */
function isOpen(stat: Stats): boolean {
  if (stat.isSymbolicLink()) return false
  if (stat.isDirectory() && (stat.mode & 0o1000) !== 0) return false
  return (stat.mode & 0o002) !== 0 || ((stat.mode & 0o020) !== 0 && stat.gid !== 0)
}
