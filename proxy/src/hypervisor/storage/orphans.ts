import { lstatSync, readdirSync, renameSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type DiskImageKind, isArchive } from '../../model/disk-image.ts'
import {
  DOOMED,
  DRAFT,
  FAILED,
  imageFileName,
  isStaged,
  manifestName,
  overlayOwner,
  type PlacedImage,
  type StorageFolders,
  unpackedName,
  userOverlayOwner,
} from '../../model/storage-layout.ts'
import { instantFolder } from '../lxc/instant-image.ts'
import { unpackedFolder } from '../lxc/tarball-image.ts'
import { failedStarts } from './failed-starts.ts'
import { usedPaths } from './in-use.ts'

/** What there are rows of. */
export interface KnownObjects {
  /** Numbers of desktops. */
  readonly desktops: ReadonlySet<number>
  /** Numbers of users and of flavours: an overlay may go with one of each. */
  readonly users: ReadonlySet<number>
  readonly flavours: ReadonlySet<number>
  readonly images: readonly (PlacedImage & { readonly name: string; readonly kind: DiskImageKind })[]
}

/** Something in the storage that nothing needs. */
export interface Orphan {
  readonly path: string
  readonly kind: 'overlay' | 'failed start' | 'image' | 'unpacked image' | 'remains'
  readonly why: string
  readonly modifiedAt: Date
  /** Tells it from another thing that is put there later. */
  readonly identity: string
}

/** What is on its way needs no longer. */
const UNDER_WAY_MS = 3_600_000
/** Ends the name of what is being unpacked or made. */
const UNFINISHED = /\.[0-9a-f]{8}$|\.new$|\.[0-9a-f]{12}$/

type Finding = Pick<Orphan, 'kind' | 'why'>

/**
 * Finds what lies in the storage without a row: overlays and failed starts of desktops that are no more, images and unpacked ones of no
 * image, what was cut off half-way. Homes and the staging folder are never looked at; what a program has open or mounted
 * is left out, and so is whatever has a name that is none of Ostler's.
 */
export function findOrphans(folders: StorageFolders, known: KnownObjects, now = new Date()): Orphan[] {
  const used = usedPaths()
  const unfinished = (name: string, path: string): Finding | undefined =>
    isUnfinished(name) && ageMs(path, now) > UNDER_WAY_MS
      ? { kind: 'remains', why: 'what made or removed it was cut off' }
      : undefined
  const judges = new Map<string, (name: string, path: string) => Finding | undefined>([
    [folders.basefs, unpackedJudge(folders, known)],
    [folders.images, imageJudge(folders, known)],
  ])
  for (const folder of [folders.overlayfs, folders.overlays]) {
    judges.set(folder, (name) => judgeOverlay(name, known))
    judges.set(join(folder, FAILED), (name) => judgeFailed(folder, name, known))
  }
  return [...judges].flatMap(([folder, judge]) =>
    namesIn(folder).flatMap((name) => {
      const path = join(folder, name)
      const found = isUnfinished(name) ? unfinished(name, path) : judge(name, path)
      return found === undefined || used.has(path) ? [] : [{ path, ...found, ...lookAt(path) }]
    }),
  )
}

/** Removes an orphan that was found before: first it is called otherwise, so that a half-removed one is none of anything. */
export async function removeOrphan({ path }: Pick<Orphan, 'path'>): Promise<void> {
  const doomed = basename(path).startsWith(DOOMED)
    ? path
    : join(dirname(path), `${DOOMED}${basename(path)}-${process.pid}`)
  if (doomed !== path) renameSync(path, doomed)
  await rm(doomed, { recursive: true, force: true })
}

function isUnfinished(name: string): boolean {
  return [DOOMED, DRAFT, 'untar-'].some((begin) => name.startsWith(begin)) || UNFINISHED.test(name)
}

function judgeOverlay(name: string, known: KnownObjects): Finding | undefined {
  const { desktops, users, flavours } = known
  const owner = userOverlayOwner(name)
  if (owner !== undefined) {
    if (users.has(owner.userId) && flavours.has(owner.flavourId)) return undefined
    const gone = users.has(owner.userId) ? `flavour ${owner.flavourId}` : `user ${owner.userId}`
    return { kind: name.startsWith('lock.') ? 'remains' : 'overlay', why: `there is no ${gone}` }
  }
  const lock = /^lock\.(\d+)-overlay$/.exec(name)?.[1]
  const work = /^(\d+)-overlayfs-work$/.exec(name)?.[1]
  const vmId = overlayOwner(name)?.vmId ?? Number(lock ?? work)
  if (Number.isNaN(vmId) || desktops.has(vmId)) return undefined
  const kind = lock === undefined ? 'overlay' : 'remains'
  return { kind, why: `there is no desktop ${vmId}` }
}

function judgeFailed(folder: string, name: string, { desktops }: KnownObjects): Finding | undefined {
  const found = failedStarts(folder).find(({ path }) => basename(path) === name)
  if (found === undefined || desktops.has(found.vmId)) return undefined
  return { kind: 'failed start', why: `there is no desktop ${found.vmId}` }
}

function unpackedJudge({ basefs, images }: StorageFolders, known: KnownObjects) {
  const needed = new Set([basename(instantFolder(basefs))])
  for (const image of known.images) {
    if (!isArchive(image.kind)) continue
    const place = isStaged(image)
      ? {
          ...image,
          path: join(images, imageFileName(image)),
          unpackedName: unpackedName(imageFileName(image)),
        }
      : image
    needed.add(unpackedName(imageFileName(image)))
    const folder = unpackedFolder(basefs, place)
    if (folder !== undefined) needed.add(basename(folder))
  }
  return (name: string, path: string): Finding | undefined => {
    const of = name.replace(/^\.(.*)\.manifest$/, '$1')
    const isOurs = /^(?:tarball-|instant-|\d+-)/.test(of)
    const isPath = known.images.some((image) => `${image.path}/`.startsWith(`${path}/`))
    if (!isOurs || isPath || needed.has(of)) return undefined
    return { kind: of === name ? 'unpacked image' : 'remains', why: 'no image is unpacked as this' }
  }
}

function imageJudge({ images }: StorageFolders, known: KnownObjects) {
  const files = known.images.map((image) =>
    isStaged(image) ? join(images, imageFileName(image)) : image.path,
  )
  const manifests = new Set(known.images.map(manifestName))
  return (name: string, path: string): Finding | undefined => {
    const manifest = /^\.\d+-.*\.manifest$/.test(name)
    if (manifest) return manifests.has(name) ? undefined : { kind: 'remains', why: 'no image is known by it' }
    if (!/^\d+-/.test(name) || files.some((file) => `${file}/`.startsWith(`${path}/`))) return undefined
    return { kind: 'image', why: 'it is the file of no image' }
  }
}

function ageMs(path: string, now: Date): number {
  return now.getTime() - (lstatSync(path, { throwIfNoEntry: false })?.ctimeMs ?? now.getTime())
}

function lookAt(path: string): Pick<Orphan, 'modifiedAt' | 'identity'> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  const identity = stat === undefined ? '' : `${stat.dev}:${stat.ino}:${stat.ctimeMs}`
  return { modifiedAt: stat?.mtime ?? new Date(0), identity }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
