import { Fault } from '@ostler/contract/fault.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import * as z from 'zod'
import { imagePath, manifestName, type PlacedImage, type StorageFolders } from '../../model/storage-layout.ts'
import { digestFile, type FileDigest } from './copy-file.ts'

/** What the file of an image was when it was taken into use. It lies in the folder of images. */
const manifestSchema = z.object({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int().min(0),
  mtimeMs: z.number(),
})
type Manifest = z.output<typeof manifestSchema>

export type NamedImage = PlacedImage & { readonly name: string }
type Images = Pick<StorageFolders, 'images'>

/**
 * How the file of an image compares with what is known of it: nothing is known (`new`), size and time are the same (`known`), only
 * the time differs (`touched`: its hash must tell), its size differs (`changed`). A folder is not compared.
 */
export type ImageVerdict = 'missing' | 'folder' | 'new' | 'known' | 'touched' | 'changed'

/** Looks at size and time alone. */
export function judgeImage(folders: Images, image: PlacedImage): ImageVerdict {
  const stat = statSync(imagePath(folders, image), { throwIfNoEntry: false })
  if (stat === undefined) return 'missing'
  if (!stat.isFile()) return 'folder'
  const manifest = readManifest(join(folders.images, manifestName(image)))
  if (manifest === undefined) return 'new'
  if (manifest.bytes !== stat.size) return 'changed'
  return manifest.mtimeMs === stat.mtimeMs ? 'known' : 'touched'
}

/**
 * Makes sure that the file of an image is what it was when it was taken into use; reads it whole where size and time do not tell.
 *
 * @param expected the hash that it must have, if one was given.
 * @returns its hash; `undefined` for a folder.
 * @throws Fault `image.unusable` when it is not there or not what was expected, `image.changed`.
 */
export async function settleImage(
  folders: Images,
  image: NamedImage,
  expected?: string | null,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const path = imagePath(folders, image)
  const place = join(folders.images, manifestName(image))
  const verdict = judgeImage(folders, image)
  if (verdict === 'missing')
    throw new Fault('image.unusable', { image: image.name, reason: `${path} does not exist` })
  if (verdict === 'folder') return undefined
  const known = knownHash(folders, image)
  if (verdict === 'known') return known
  const stat = statSync(path)
  const { sha256 } = verdict === 'changed' ? { sha256: undefined } : await digestFile(path, signal)
  if (sha256 === undefined || (known !== undefined && known !== sha256))
    throw new Fault('image.changed', { image: image.name, path })
  requireExpected(image.name, sha256, expected)
  writeManifest(place, { sha256, bytes: stat.size, mtimeMs: stat.mtimeMs })
  return sha256
}

/** The hash that the file of an image had when it was taken into use; `undefined`: it never was. */
export function knownHash(folders: Images, image: PlacedImage): string | undefined {
  return readManifest(join(folders.images, manifestName(image)))?.sha256
}

/** @throws Fault `image.unusable` when a hash is not the one that was given with the image, if one was. */
export function requireExpected(image: string, sha256: string, expected: string | null | undefined): void {
  if (expected == null || expected === sha256) return
  const reason = `its SHA-256 is ${sha256}, not ${expected}`
  throw new Fault('image.unusable', { image, reason })
}

/** Notes what a new file of an image is, which may still have another name. */
export function noteImage(folders: Images, image: PlacedImage, file: string, digest: FileDigest): void {
  const place = join(folders.images, manifestName(image))
  writeManifest(place, { ...digest, mtimeMs: statSync(file).mtimeMs })
}

/**
 * Makes sure that what was unpacked came from an archive with that hash; what another program has unpacked there is
 * taken as it is.
 * @throws Fault `image.changed`
 */
export function settleUnpacked(folder: string, image: NamedImage, sha256: string): void {
  const place = join(dirname(folder), `.${basename(folder)}.manifest`)
  const known = readManifest(place)
  if (known === undefined) {
    const { size, mtimeMs } = statSync(image.path)
    writeManifest(place, { sha256, bytes: size, mtimeMs })
  } else if (known.sha256 !== sha256) throw new Fault('image.changed', { image: image.name, path: folder })
}

function writeManifest(path: string, manifest: Manifest): void {
  const { sha256, bytes, mtimeMs } = manifest
  writeWhole(path, `${JSON.stringify({ sha256, bytes, mtimeMs })}\n`, { mode: 0o644 })
}

/** What is not a manifest is none. */
function readManifest(path: string): Manifest | undefined {
  try {
    return manifestSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return undefined
  }
}
