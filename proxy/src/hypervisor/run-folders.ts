import { run } from '@ostler/kit/run.ts'
import { chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HYPERVISORS, type HypervisorKind } from '../model/hypervisor-kind.ts'
import { type RunFolder, runFolder } from '../model/run-folder.ts'

interface RunFolderOwner {
  readonly uid: number
  readonly gid: number
}
const ROOT: RunFolderOwner = { uid: 0, gid: 0 }

/** Beside what guests see. */
const DRIVER = 'driver'

/**
 * Makes the run folder of a desktop. Only root and the display group pass through `desktops`. Where others than us
 * write is a file system of its own, too small to fill the node's.
 *
 * @param runPath `path.run`
 * @param driver whose desktop it is: who finds the folder later asks that one.
 * @param displayGid the group that may pass through to the displays.
 * @param guest who the desktop's programs are on the node: they may read what lies in `boot`, and write to `display`.
 */
export async function makeRunFolder(
  runPath: string,
  id: number,
  driver: HypervisorKind,
  displayGid: number,
  guest: RunFolderOwner = ROOT,
): Promise<RunFolder> {
  const folder = runFolder(runPath, id)
  const all = dirname(folder.root)
  mkdirSync(all, { recursive: true, mode: 0o750 })
  if (process.getuid?.() === 0) chownSync(all, 0, displayGid)
  mkdirSync(folder.boot, { recursive: true, mode: 0o755 })
  writeFileSync(join(folder.root, DRIVER), driver, { mode: 0o600 })
  chownSync(folder.boot, guest.uid, guest.gid)
  await limitedFolder(folder.display, { mode: 0o751, size: '64k', owner: guest })
  return folder
}

/**
 * The desktops that have a run folder on this node.
 * @returns their numbers, and whose each is; `undefined`: its folder does not say.
 */
export function runFoldersHere(runPath: string): { id: number; driver: HypervisorKind | undefined }[] {
  const ids = namesIn(dirname(runFolder(runPath, 0).root)).filter((name) => /^\d+$/.test(name))
  return ids.map(Number).map((id) => {
    const said = textIn(join(runFolder(runPath, id).root, DRIVER))
    return { id, driver: HYPERVISORS.find((kind) => kind === said) }
  })
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function textIn(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Makes a folder that is a file system of its own, unless it is. */
export async function limitedFolder(
  path: string,
  limits: { readonly mode: number; readonly size: string; readonly owner?: RunFolderOwner },
): Promise<void> {
  mkdirSync(path, { recursive: true, mode: limits.mode })
  // Who is not root can mount nothing; then it is a folder like any other.
  if (isMountPoint(path) || process.getuid?.() !== 0) return
  const { uid, gid } = limits.owner ?? ROOT
  const mode = `mode=0${limits.mode.toString(8)}`
  const options = `size=${limits.size},nr_inodes=64,${mode},uid=${uid},gid=${gid},nosuid,nodev,noexec`
  await run('mount', ['-t', 'tmpfs', '-o', options, 'ostler-desktop', path])
}

/** @param limited folders that `limitedFolder` made in the run folder. */
export async function removeRunFolder(folder: RunFolder, limited: readonly string[]): Promise<void> {
  for (const path of limited) if (isMountPoint(path)) await run('umount', ['--lazy', path])
  await rm(folder.root, { recursive: true, force: true })
}

function isMountPoint(path: string): boolean {
  const here = statSync(path, { throwIfNoEntry: false })
  if (here === undefined) return false
  // A folder that is bound to another one of the same file system is found in the list alone.
  return here.dev !== statSync(dirname(path)).dev || listedMountPoints().includes(path)
}

function listedMountPoints(): string[] {
  const lines = textIn('/proc/self/mountinfo')?.split('\n') ?? []
  return lines.map((line) => line.split(' ')[4] ?? '')
}
