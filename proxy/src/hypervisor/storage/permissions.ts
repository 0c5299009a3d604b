import { Fault } from '@ostler/contract/fault.ts'
import { accessSync, constants, mkdirSync, realpathSync, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'

/** Bits of a mode. */
const PASSED_BY_OTHERS = 0o011
const WRITTEN_BY_OTHERS = 0o022
const STICKY = 0o1000

/** What is wrong, and how it is mended. */
interface Finding {
  readonly problem: string
  readonly cure: string
}

/**
 * Makes sure that hkd may write to folders of the storage, and that no other user of the node gets at what lies there: what a
 * desktop's root has made is root's on the disk, a set-user-id program too, and homes are other people's. One that is not there
 * is made, for hkd alone.
 *
 * @throws Fault `storage.permissions`
 */
export function requirePermissions(paths: readonly string[]): void {
  for (const path of paths) {
    const finding = findingOn(path)
    if (finding !== undefined) throw new Fault('storage.permissions', { path, ...finding })
  }
}

function findingOn(path: string): Finding | undefined {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    accessSync(path, constants.W_OK)
    return exposure(realpathSync(path))
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'EROFS') return undefined // no matter of permissions: whoever writes names it
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    const cure = 'Let root of this node write there (on an NFS server no_root_squash, on a disk chattr -i)'
    return { problem: `hkd may not write there (${code})`, cure }
  }
}

/** How another user of the node gets into a folder, or could put another one in its place; `undefined`: in no way. */
function exposure(path: string): Finding | undefined {
  const chain = foldersDownTo(path)
  const closed = chain.findIndex(({ stat }) => (stat.mode & PASSED_BY_OTHERS) === 0)
  // What lies in a closed folder is out of reach, whatever its own permissions are.
  const reached = closed === -1 ? chain : chain.slice(0, closed + 1)
  const owned = reached.find(({ stat }) => stat.uid !== 0 && stat.uid !== process.getuid?.())
  if (owned !== undefined)
    return {
      problem: `${owned.path} belongs to the user ${owned.stat.uid}`,
      cure: `chown root:root ${owned.path}`,
    }
  const shared = reached.find(isWrittenByOthers)
  if (shared !== undefined)
    return {
      problem: `other users may write to ${shared.path} (mode ${modeOf(shared.stat)})`,
      cure: `chmod go-w ${shared.path}`,
    }
  if (closed !== -1) return undefined
  return { problem: `other users may pass (mode ${modeOf(statSync(path))})`, cure: `chmod 700 ${path}` }
}

interface Folder {
  readonly path: string
  readonly stat: Stats
}

/** A folder after all that it lies in, the outermost first. */
function foldersDownTo(path: string): Folder[] {
  const above = dirname(path)
  return [...(above === path ? [] : foldersDownTo(above)), { path, stat: statSync(path) }]
}

/** In a sticky folder only the owner of a name takes it away. */
function isWrittenByOthers({ stat: { mode } }: Folder): boolean {
  return (mode & PASSED_BY_OTHERS) !== 0 && (mode & WRITTEN_BY_OTHERS) !== 0 && (mode & STICKY) === 0
}

function modeOf({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, '0')
}
