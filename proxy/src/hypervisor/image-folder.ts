import { Fault } from '@ostler/contract/fault.ts'
import { lstatSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
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
  const folder = isArchive(image.kind) ? await tarballImage(images, image) : image.path
  const unusable = (reason: string): Fault => new Fault('image.unusable', { image: image.name, reason })
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw unusable(`${folder} is no folder`)
  // A link such as sbin -> usr/sbin may dangle here and be right in the guest.
  if (lstatSync(join(folder, 'sbin'), { throwIfNoEntry: false }) === undefined)
    throw unusable(`${folder} has no sbin at its top: it is not the root of a system`)
  return folder
}
