import { Fault } from '@ostler/contract/fault.ts'
import { existsSync, lstatSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isArchive } from '../model/disk-image.ts'
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
  const folder = isArchive(image.kind) ? await tarballImage(images, image.name, image.path) : image.path
  const unusable = (reason: string): Fault => new Fault('image.unusable', { image: image.name, reason })
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw unusable(`${folder} is no folder`)
  // A link such as sbin -> usr/sbin may dangle here and be right in the guest.
  if (lstatSync(join(folder, 'sbin'), { throwIfNoEntry: false }) === undefined)
    throw unusable(`${folder} has no sbin at its top: it is not the root of a system`)
  return folder
}

/** Makes an empty folder for what a desktop writes outside its home; what an earlier boot left is removed. */
export async function freshOverlay(overlays: string, id: number): Promise<string> {
  const folder = join(overlays, String(id))
  if (existsSync(folder)) {
    const doomed = join(overlays, `deleteme-${basename(folder)}-${process.pid}`)
    renameSync(folder, doomed)
    await rm(doomed, { recursive: true, force: true })
  }
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  return folder
}
