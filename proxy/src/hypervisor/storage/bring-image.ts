import { DeadlineExceeded } from '@ostler/kit/deadline.ts'
import { lockFile } from '@ostler/kit/file-lock.ts'
import { run } from '@ostler/kit/run.ts'
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { Fault } from '@ostler/contract/fault.ts'
import type { DiskImageKind } from '../../model/disk-image.ts'
import { DRAFT, imageFileName, imagePath, type StorageFolders } from '../../model/storage-layout.ts'
import { copyVerified } from './copy-file.ts'
import { inspectImage } from './inspect-image.ts'
import {
  judgeImage,
  knownHash,
  type NamedImage,
  noteImage,
  requireExpected,
  settleImage,
} from './manifest.ts'

/** A disk image that was added from the staging folder. */
export interface StagedImage extends NamedImage {
  readonly kind: DiskImageKind
  /** The hash that it must have. */
  readonly sha256: string | null
}

/** Steps on the way; each is on the disk when it is told of. */
export type BringStep = 'copied' | 'inspected' | 'noted' | 'renamed'

/** Where images come from, and where they go. */
export type BringFolders = Pick<StorageFolders, 'images' | 'staging'> & {
  /** `path.uploads`: files that came through the api; another user's folder, so nothing but a file is taken from it. */
  readonly uploads?: string
}

export interface BringOptions {
  /** Bytes that must stay free. */
  readonly reserveBytes: number
  readonly onBytes?: (done: number, total: number) => void
  readonly onStep?: (step: BringStep) => void
  readonly signal?: AbortSignal
}

const LOCK_MS = 200
const COPY_MS = 7_200_000

/**
 * Makes an image ready in the folder of images: what lies there is compared with what is known of it, what does not is copied from the
 * staging folder, to another name until it is whole. One process does it, on whatever node; after a crash it is
 * begun anew, and the part of a copy is removed.
 *
 * @returns its hash, `undefined` for a folder; `'elsewhere'` while another process is at it.
 * @throws Fault `image.unusable`, `image.changed`, `storage.full`, `image.notStaged`. Nothing half-made is left.
 */
export async function bringImage(
  folders: BringFolders,
  image: StagedImage,
  options: BringOptions,
): Promise<{ sha256: string | undefined } | 'elsewhere'> {
  mkdirSync(folders.images, { recursive: true, mode: 0o755 })
  const lockPath = join(folders.images, `lock.${imageFileName(image)}`)
  closeSync(openSync(lockPath, 'a', 0o600))
  let lock: Disposable
  try {
    lock = await lockFile(lockPath, LOCK_MS, options.signal)
  } catch (error) {
    if (error instanceof DeadlineExceeded) return 'elsewhere'
    throw error
  }
  using _held = lock
  try {
    if (judgeImage(folders, image) !== 'missing')
      return { sha256: await settleImage(folders, image, image.sha256, options.signal) }
    return { sha256: await fromStaging(folders, image, options) }
  } finally {
    // Whoever has it open already finds, once it is hers, what we have made.
    rmSync(lockPath, { force: true })
  }
}

async function fromStaging(
  folders: BringFolders,
  image: StagedImage,
  { reserveBytes, onBytes, onStep, signal }: BringOptions,
): Promise<string | undefined> {
  const { path: source, isUploaded } = sourceOf(folders, image)
  const stat = statSync(source, { throwIfNoEntry: false })
  if (stat === undefined || (isUploaded && !stat.isFile()))
    throw new Fault('image.notStaged', { image: image.name, path: source })
  requireRoom(folders.images, stat.isFile() ? stat.size : 0, reserveBytes)
  const draft = join(folders.images, `${DRAFT}${imageFileName(image)}`)
  rmSync(draft, { recursive: true, force: true })
  try {
    let sha256: string | undefined
    if (stat.isFile()) {
      const total = stat.size
      const told = { onBytes: (done: number) => onBytes?.(done, total), noLink: isUploaded }
      const digest = await copyVerified(source, draft, signal === undefined ? told : { ...told, signal })
      sha256 = digest.sha256
      onStep?.('copied')
      // What was in use once comes back as it was, or not at all.
      requireExpected(image.name, digest.sha256, image.sha256 ?? knownHash(folders, image))
      await inspectImage(image.kind, image.name, draft, signal)
      onStep?.('inspected')
      noteImage(folders, image, draft, digest)
    } else {
      await run('cp', ['--archive', '--reflink=auto', '--no-target-directory', source, draft], {
        timeoutMs: COPY_MS,
        ...(signal === undefined ? {} : { signal }),
      })
      onStep?.('copied')
      await inspectImage(image.kind, image.name, draft, signal)
      onStep?.('inspected')
    }
    onStep?.('noted')
    renameSync(draft, imagePath(folders, image))
    syncFolder(folders.images)
    onStep?.('renamed')
    return sha256
  } catch (cause) {
    rmSync(draft, { recursive: true, force: true })
    signal?.throwIfAborted()
    if (cause instanceof Fault) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') throw full(folders.images, 'the disk is full')
    throw new Fault('image.unusable', { image: image.name, reason: (cause as Error).message }, { cause })
  }
}

/** Where an image comes from: the staging folder, unless its file was uploaded. */
export function sourceOf(
  { staging, uploads }: Omit<BringFolders, 'images'>,
  { path }: Pick<StagedImage, 'path'>,
): { readonly path: string; readonly isUploaded: boolean } {
  const staged = { path: join(staging, path), isUploaded: false }
  if (uploads === undefined || statSync(staged.path, { throwIfNoEntry: false }) !== undefined) return staged
  const uploaded = { path: join(uploads, path), isUploaded: true }
  return lstatSync(uploaded.path, { throwIfNoEntry: false })?.isFile() === true ? uploaded : staged
}

function requireRoom(folder: string, bytes: number, reserveBytes: number): void {
  const { bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  if (free < bytes + reserveBytes)
    throw full(folder, `${megabytes(free)} MB are free, ${megabytes(bytes + reserveBytes)} MB are needed`)
}

function full(folder: string, reason: string): Fault {
  return new Fault('storage.full', { folder, reason })
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20)
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
