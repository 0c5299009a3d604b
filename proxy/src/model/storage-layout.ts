import { basename, join } from 'node:path'
import type { OverlayKind } from './overlay.ts'

/** The folders of a node's storage; QVD's keys of the same names (compatibility page 10.2). */
export interface StorageFolders {
  /** `path.storage.staging`: images that wait to be added. */
  readonly staging: string
  /** `path.storage.images`: images in use. */
  readonly images: string
  /** `path.storage.basefs`: images unpacked for containers. */
  readonly basefs: string
  /** `path.storage.overlayfs`: what containers write. */
  readonly overlayfs: string
  /** `path.storage.overlays`: what virtual machines write. */
  readonly overlays: string
  /** `path.storage.homefs` */
  readonly homefs: string
}

/** An image as far as its place on the disk depends on it. */
export interface PlacedImage {
  readonly id: number
  /** Absolute: it is used where it lies. Otherwise the name of a file that was added from the staging folder. */
  readonly path: string
}

/** What a desktop writes outside its home, as far as its place on the disk depends on it. */
export interface PlacedOverlay {
  /** The number of the desktop. */
  readonly id: number
  readonly ownerId: number
  readonly flavour: { readonly id: number }
  readonly image: { readonly id: number }
  /** `snapshot` where it is missing. */
  readonly overlay?: OverlayKind
}

/** What began as another thing's name and is about to be removed; QVD's word. */
export const DOOMED = 'deleteme-'
/** What is not whole yet. */
export const DRAFT = 'copying-'
/** The folder, beside overlays, of those of starts that failed. */
export const FAILED = 'failed'
/** Endings of tar archives; what is unpacked is called without them. */
const TAR = /\.(?:tar|tar\.(?:gz|bz2|xz|zst|lz4)|tgz|tbz2?|txz|tzst)$/

/** Whether hkd brings an image from the staging folder to the images, and looks after it there. */
export function isStaged({ path }: Pick<PlacedImage, 'path'>): boolean {
  return !path.startsWith('/')
}

/**
 * The name of an image's file in the folder of images: number and file, as QVD has them (compatibility page 9.1). Rows that came
 * from QVD bear the number already.
 */
export function imageFileName({ id, path }: PlacedImage): string {
  const file = basename(path)
  return file.startsWith(`${id}-`) ? file : `${id}-${file}`
}

/** Where the file of an image is. */
export function imagePath({ images }: Pick<StorageFolders, 'images'>, image: PlacedImage): string {
  return isStaged(image) ? join(images, imageFileName(image)) : image.path
}

/** What an archive is called when it is unpacked: its name without the ending (compatibility page 7.5). */
export function unpackedName(file: string): string {
  return file.replace(TAR, '')
}

/** The folder of what a container writes, in `path.storage.overlayfs` (compatibility page 7.5). */
export function overlayFolderName(overlay: PlacedOverlay): string {
  return `${overlayStem(overlay)}-overlayfs`
}

/** The disk of what a virtual machine writes, in `path.storage.overlays` (compatibility page 7.4). */
export function overlayDiskName(overlay: PlacedOverlay): string {
  return `${overlayStem(overlay)}-overlay.qcow2`
}

/**
 * An overlay lies over one image: with another image a desktop gets another overlay, since what was written over one system is no
 * part of another. A kept one is called as one that is not, as with QVD; one that goes with a user bears her number and the flavour's.
 */
function overlayStem({ id, ownerId, flavour, image, overlay }: PlacedOverlay): string {
  return overlay === 'user' ? `${image.id}-user-${ownerId}-${flavour.id}` : `${image.id}-${id}`
}

/** Which desktop's overlay a name is; `undefined`: no desktop's. Names without an image are those of the first versions of Ostler. */
export function overlayOwner(name: string): { imageId: number | undefined; vmId: number } | undefined {
  const found = /^(\d+)-(\d+)-(?:overlayfs|overlay\.qcow2)$/.exec(name) ?? /^()(\d+)(?:\.qcow2)?$/.exec(name)
  if (found === null) return undefined
  return { imageId: found[1] === '' ? undefined : Number(found[1]), vmId: Number(found[2]) }
}

/** Who has an overlay that goes with a user, by its name or its lock's; `undefined`: it is no such name. */
export function userOverlayOwner(name: string): { userId: number; flavourId: number } | undefined {
  const found =
    /^\d+-user-(\d+)-(\d+)-(?:overlayfs|overlay\.qcow2)$/.exec(name) ??
    /^lock\.user-(\d+)-(\d+)-overlay$/.exec(name)
  return found === null ? undefined : { userId: Number(found[1]), flavourId: Number(found[2]) }
}

/** The file that is locked while a desktop has its overlay, or its user's. */
export function overlayLockName(vmId: number): string {
  return `lock.${vmId}-overlay`
}

/** The file that is locked besides while a desktop has an overlay that goes with its user: her other desktops have the same. */
export function userOverlayLockName({
  ownerId,
  flavour,
}: Pick<PlacedOverlay, 'ownerId' | 'flavour'>): string {
  return `lock.user-${ownerId}-${flavour.id}-overlay`
}

/** What an image is known by, beside it in the folder of images. */
export function manifestName(image: PlacedImage): string {
  return `.${imageFileName(image)}.manifest`
}
