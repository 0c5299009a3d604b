import { Fault } from '@ostler/contract/fault.ts'
import { RunError } from '@ostler/kit/run.ts'
import { lstatSync } from 'node:fs'

/**
 * Looks whether a folder may be used as a user's home: a real folder, hers, that nobody else may write to. What is
 * wrong is told and never corrected: somebody's files may be in it.
 *
 * @throws Fault `home.owner` with who owns it, and what `explainHomeError` makes of a failure to look.
 */
export function verifyHome(home: string, uid: number, gid: number): void {
  const stat = lookAt(home)
  if (stat.uid !== uid) throw wrong(home, `it belongs to user ${stat.uid}, not to user ${uid}`)
  if ((stat.mode & 0o002) !== 0) throw wrong(home, 'everybody may write to it')
  // The group's number may differ between images; that matters only where the group may write.
  if ((stat.mode & 0o020) !== 0 && stat.gid !== gid)
    throw wrong(home, `group ${stat.gid} may write to it, and the user's is ${gid}`)
}

/**
 * Looks whether a folder may hold homes: a real folder, root's, in which users reach their homes and make no others.
 * @throws Fault `home.owner`
 */
export function verifyHomes(homes: string): void {
  const stat = lookAt(homes)
  if (stat.uid !== 0) throw wrong(homes, `it belongs to user ${stat.uid}, not to root`)
  if ((stat.mode & 0o022) !== 0 || (stat.mode & 0o011) !== 0o011)
    throw wrong(homes, `its permissions are ${(stat.mode & 0o7777).toString(8)}, not 755`)
}

/**
 * The fault that a failed write below the homes means to a person; `undefined` for failures that are none of the
 * drive's. It knows errors of the system, and programs that name them on standard error. useradd(8) does not: make the
 * folder before it.
 *
 * @param place the home, or the folder of the homes.
 */
export function explainHomeError(error: unknown, place: string): Fault | undefined {
  const text = error instanceof RunError ? error.stderr : ''
  const code = (error as Partial<NodeJS.ErrnoException> | undefined)?.code
  const isAny = (codes: readonly string[], words: RegExp): boolean =>
    (code !== undefined && codes.includes(code)) || words.test(text)
  if (isAny(['ENOSPC', 'EDQUOT'], /No space left on device|Disk quota exceeded/))
    return new Fault('home.full', { place }, { cause: error })
  if (isAny(['EROFS'], /Read-only file system|write-protected/))
    return new Fault('home.readOnly', { place }, { cause: error })
  if (isAny(['EIO', 'ENXIO', 'ENODEV'], /Input\/output error|No such device/))
    return new Fault('home.failed', { place, reason: oneLine(error) }, { cause: error })
  return undefined
}

/** What an error says, in one line. */
export function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().replace(/\s*\n\s*/g, '; ')
}

function lookAt(folder: string): { uid: number; gid: number; mode: number } {
  let stat
  try {
    stat = lstatSync(folder)
  } catch (error) {
    throw explainHomeError(error, folder) ?? wrong(folder, oneLine(error))
  }
  if (stat.isSymbolicLink()) throw wrong(folder, `it is a link of user ${stat.uid}`)
  if (!stat.isDirectory()) throw wrong(folder, `it is no folder, and belongs to user ${stat.uid}`)
  return stat
}

function wrong(folder: string, reason: string): Fault {
  return new Fault('home.owner', { folder, reason })
}
