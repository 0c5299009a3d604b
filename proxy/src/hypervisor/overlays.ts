import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DOOMED, overlayFolderName, overlayOwner } from '../model/storage-layout.ts'
import type { SystemSpec } from './hypervisor.ts'

/** True where a boot finds what an earlier one has written. */
export function isKept({ overlay = 'snapshot' }: Pick<SystemSpec, 'overlay'>): boolean {
  return overlay !== 'snapshot'
}

/** The folder of what a desktop writes outside its home. */
export function overlayFolder(overlays: string, spec: SystemSpec): string {
  return join(overlays, overlayFolderName(spec))
}

/** Makes that folder, and empties it unless its kind is kept. */
export async function readyOverlay(overlays: string, spec: SystemSpec): Promise<string> {
  if (!isKept(spec)) await removeOverlays(overlays, spec.id)
  const folder = overlayFolder(overlays, spec)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  return folder
}

/**
 * Removes what a desktop has written outside its home, whatever images it ran: not what goes with its user. What is interrupted is
 * gone on with by the next call.
 */
export async function removeOverlays(overlays: string, id: number): Promise<void> {
  const names = namesOf(overlays, id)
  // First another name, at once: a removal that is interrupted leaves nothing that looks whole.
  for (const name of names.filter(isDoomed)) await rm(join(overlays, name), { recursive: true, force: true })
  for (const name of names.filter((each) => !isDoomed(each))) {
    const doomed = join(overlays, `${DOOMED}${name}-${process.pid}`)
    renameSync(join(overlays, name), doomed)
    await rm(doomed, { recursive: true, force: true })
  }
}

/** What of that there is, by path; also what a removal that was cut off has left. */
export function overlaysOf(overlays: string, id: number): string[] {
  return namesOf(overlays, id).map((name) => join(overlays, name))
}

function namesOf(overlays: string, id: number): string[] {
  if (!existsSync(overlays)) return []
  return readdirSync(overlays).filter((name) => overlayOwner(wholeName(name))?.vmId === id)
}

function isDoomed(name: string): boolean {
  return name.startsWith(DOOMED)
}

/** What it was called before it was being removed, or will be called when it is made. */
function wholeName(name: string): string {
  return (isDoomed(name) ? name.slice(DOOMED.length).replace(/-\d+$/, '') : name).replace(/\.new$/, '')
}
