import { run } from '@ostler/kit/run.ts'
import { chownSync, mkdirSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type RunFolder, runFolder } from '../model/run-folder.ts'
import type { DesktopSpec } from './hypervisor.ts'

/** Its homes lie where they lay before there were tenants. */
const FIRST_TENANT = 1

/** Where a home is. Users of two tenants may have the same login, and must not get each other's. */
export function homeFolder(homes: string, { tenantId, login, flavour }: DesktopSpec): string {
  return join(homes, tenantId === FIRST_TENANT ? '' : `@${tenantId}`, `${login}-${flavour.id}`)
}

/**
 * Makes the run folder of a desktop. Only root and the display group pass through `desktops`. Where others than us
 * write is a file system of its own, too small to fill the node's.
 *
 * @param runPath `path.run`
 * @param displayGid the group that may pass through to the displays.
 */
export async function makeRunFolder(runPath: string, id: number, displayGid: number): Promise<RunFolder> {
  const folder = runFolder(runPath, id)
  const all = dirname(folder.root)
  mkdirSync(all, { recursive: true, mode: 0o750 })
  chownSync(all, 0, displayGid)
  mkdirSync(folder.boot, { recursive: true, mode: 0o755 })
  await limitedFolder(folder.display, { mode: 0o751, size: '64k' })
  return folder
}

/** Makes a folder that is a file system of its own, unless it is. */
export async function limitedFolder(
  path: string,
  limits: { readonly mode: number; readonly size: string },
): Promise<void> {
  mkdirSync(path, { recursive: true, mode: limits.mode })
  if (isMountPoint(path)) return
  const mode = `mode=0${limits.mode.toString(8)}`
  const options = `size=${limits.size},nr_inodes=64,${mode},nosuid,nodev,noexec`
  await run('mount', ['-t', 'tmpfs', '-o', options, 'ostler-desktop', path])
}

/** @param limited folders that `limitedFolder` made in the run folder. */
export async function removeRunFolder(folder: RunFolder, limited: readonly string[]): Promise<void> {
  for (const path of limited) if (isMountPoint(path)) await run('umount', ['--lazy', path])
  await rm(folder.root, { recursive: true, force: true })
}

function isMountPoint(path: string): boolean {
  const here = statSync(path, { throwIfNoEntry: false })
  return here !== undefined && here.dev !== statSync(dirname(path)).dev
}
