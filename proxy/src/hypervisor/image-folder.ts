import { Fault } from '@ostler/contract/fault.ts'
import { lstatSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isArchive } from '../model/disk-image.ts'
import { DOOMED, overlayFolderName, overlayOwner } from '../model/storage-layout.ts'
import type { DesktopSpec } from './hypervisor.ts'
import { instantImage } from './lxc/instant-image.ts'
import { tarballImage } from './lxc/tarball-image.ts'

/**
 * The folder with the system of an image; an archive is unpacked, an instant image made, where that was not done yet.
 * @param images where those are kept.
 * @throws Fault `image.unusable`
 */
export async function imageFolder(images: string, { image }: Pick<DesktopSpec, 'image'>): Promise<string> {
  mkdirSync(images, { recursive: true, mode: 0o755 })
  if (image.kind === 'instant') return instantImage(images)
  const folder = isArchive(image.kind) ? await tarballImage(images, image) : image.path
  const unusable = (reason: string): Fault => new Fault('image.unusable', { image: image.name, reason })
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw unusable(`${folder} is no folder`)
  // A link such as sbin -> usr/sbin may dangle here and be right in the guest.
  if (lstatSync(join(folder, 'sbin'), { throwIfNoEntry: false }) === undefined)
    throw unusable(`${folder} has no sbin at its top: it is not the root of a system`)
  return folder
}

/** The folder of what a desktop writes outside its home. */
export function overlayFolder(overlays: string, { id, image }: Pick<DesktopSpec, 'id' | 'image'>): string {
  return join(overlays, overlayFolderName(image.id, id))
}

/** Removes what the earlier boots of a desktop have written, whatever image they ran. */
export async function removeOverlays(overlays: string, id: number): Promise<void> {
  mkdirSync(overlays, { recursive: true, mode: 0o755 })
  for (const name of readdirSync(overlays)) {
    if (overlayOwner(name)?.vmId !== id) continue
    const doomed = join(overlays, `${DOOMED}${name}-${process.pid}`)
    renameSync(join(overlays, name), doomed)
    await rm(doomed, { recursive: true, force: true })
  }
}

/** Makes that folder, empty. */
export async function freshOverlay(
  overlays: string,
  spec: Pick<DesktopSpec, 'id' | 'image'>,
): Promise<string> {
  await removeOverlays(overlays, spec.id)
  const folder = overlayFolder(overlays, spec)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  return folder
}
