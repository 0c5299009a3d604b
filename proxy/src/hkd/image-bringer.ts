import { Fault } from '@ostler/contract/fault.ts'
import type { Gate } from '@ostler/kit/gate.ts'
import type { Log } from '@ostler/kit/log.ts'
import { Rounds } from '@ostler/kit/rounds.ts'
import { rmSync, statSync } from 'node:fs'
import { bringImage, sourceOf } from '../hypervisor/storage/bring-image.ts'
import { judgeImage } from '../hypervisor/storage/manifest.ts'
import { imageHolds, type ImageProgress } from '../model/image-copy.ts'
import { imagePath, isStaged, type PlacedImage, type StorageFolders } from '../model/storage-layout.ts'
import { noteImageCopy, stagedImages, type StagedRow } from '../store/image-copies.ts'
import type { Db } from '../store/open.ts'

export interface ImageBringerParts {
  readonly db: Db
  readonly hostId: number
  readonly folders: StorageFolders & {
    /** `path.uploads`: files that came through the api. */
    readonly uploads?: string
  }
  /** Bytes that must stay free. */
  readonly reserveBytes: number
  /** How many images are copied at once. */
  readonly gate: Gate
  /** Called when desktops may start that could not. */
  readonly onReady: () => void
  readonly log: Log
}

const TICK_MS = 10_000
/** How often it is written down how far a copy is. */
const TELL_MS = 1_000

/**
 * Brings the images that were added from the staging folder into the folder of images, and looks whether those that were
 * are still what they were. Rows say what there is to be, the disk says what there is; nothing else is remembered.
 */
export class ImageBringer implements AsyncDisposable {
  readonly #parts: ImageBringerParts
  readonly #progress = new Map<number, ImageProgress>()
  /** Images that are worked on. */
  readonly #jobs = new Map<number, Promise<void>>()
  /** What failed, with the files as they were: it is not tried again until they are others. */
  readonly #failed = new Map<number, string>()
  readonly #end = new AbortController()
  readonly #rounds: Rounds
  #telling: Promise<void> = Promise.resolve()

  constructor(parts: ImageBringerParts) {
    this.#parts = parts
    const { log } = parts
    this.#rounds = new Rounds({
      everyMs: TICK_MS,
      round: () => this.#lookAtAll(),
      onError: (error) => log.warn('images could not be looked at, will be tried again', { error }),
    })
  }

  /** Looks at all images, once more after the present look if one is under way. */
  look(): void {
    this.#rounds.ask()
  }

  /** Why no desktop can start from an image yet, in words; `undefined`: it can, or the start says why not. */
  holds(image: PlacedImage & { readonly name: string }): string | undefined {
    if (!isStaged(image)) return undefined
    const known = this.#progress.get(image.id)
    if (known !== undefined) return imageHolds(image.name, known)
    this.look()
    return imageHolds(image.name, { state: 'new', bytesDone: 0, bytes: 0, reason: null })
  }

  /** Why an image can never be used as it is; `undefined`: it can, or it is too early to say. */
  refuses({ id }: Pick<PlacedImage, 'id'>): string | undefined {
    const known = this.#progress.get(id)
    const isRefused = known?.state === 'broken' || known?.state === 'removed'
    return isRefused ? (known.reason ?? known.state) : undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new Error('hkd ends'))
    await this.#rounds[Symbol.asyncDispose]()
    await Promise.all(this.#jobs.values())
  }

  async #lookAtAll(): Promise<void> {
    const { db, hostId, folders } = this.#parts
    const rows = await stagedImages(db, hostId)
    for (const id of this.#progress.keys()) if (!rows.some((row) => row.id === id)) this.#progress.delete(id)
    for (const row of rows) {
      if (this.#jobs.has(row.id)) continue
      const verdict = judgeImage(folders, row)
      const isReady = verdict === 'known' || verdict === 'folder'
      const known = this.#progress.get(row.id)
      const isSettled =
        (isReady && known?.state === 'ready') || this.#failed.get(row.id) === this.#filesOf(row)
      if (!isSettled) this.#begin(row)
      else if (row.state !== known?.state) await this.#tell(row)
    }
  }

  #begin(row: StagedRow): void {
    const { gate, log } = this.#parts
    if (this.#progress.get(row.id) === undefined)
      this.#progress.set(row.id, { state: 'new', bytesDone: 0, bytes: 0, reason: null })
    const job = gate
      .pass(
        () => this.#bring(row),
        () => new Error('too many images wait'),
      )
      .catch((error: unknown) => log.warn('an image could not be told of', { image: row.name, error }))
      .finally(() => {
        this.#jobs.delete(row.id)
        if (!this.#end.signal.aborted) this.#parts.onReady()
      })
    this.#jobs.set(row.id, job)
  }

  async #bring(row: StagedRow): Promise<void> {
    const { folders, reserveBytes, log } = this.#parts
    const { signal } = this.#end
    if (signal.aborted) return
    const files = this.#filesOf(row)
    let told = 0
    const onBytes = (bytesDone: number, bytes: number): void => {
      const now = performance.now()
      this.#progress.set(row.id, { state: 'copying', bytesDone, bytes, reason: null })
      if (now - told < TELL_MS && told > 0) return
      told = now
      this.#tell(row).catch((error: unknown) => log.debug('progress of an image is lost', { error }))
    }
    try {
      const brought = await bringImage(folders, row, { reserveBytes, onBytes, signal })
      if (brought === 'elsewhere') {
        const reason = 'another node is at it'
        this.#progress.set(row.id, { state: 'copying', bytesDone: 0, bytes: 0, reason })
        await this.#tell(row)
        return
      }
      const bytes = statSync(imagePath(folders, row)).size
      this.#progress.set(row.id, { state: 'ready', bytesDone: bytes, bytes, reason: null })
      this.#failed.delete(row.id)
      await this.#tell(row, brought.sha256 ?? null)
      await this.#clearUpload(row)
      if (row.state !== 'ready') log.info('a disk image is ready', { image: row.name, bytes })
    } catch (error) {
      if (this.#end.signal.aborted) return
      const code = error instanceof Fault ? error.code : undefined
      const wasThere = row.state === 'ready' || row.state === 'removed'
      const isGone = code === 'image.notStaged' && wasThere
      const state = code === 'storage.full' ? 'new' : isGone ? 'removed' : 'broken'
      const reason = error instanceof Error ? error.message : String(error)
      // Room may come by itself; all else needs other files.
      if (state !== 'new') this.#failed.set(row.id, files)
      this.#progress.set(row.id, { state, bytesDone: 0, bytes: 0, reason })
      if (row.state !== state || row.reason !== reason)
        log.error('a disk image cannot be used', { image: row.name, state, error })
      await this.#tell(row)
    }
  }

  /** An upload is gone when its image is there, unless another image is to be made of the same file. */
  async #clearUpload(row: StagedRow): Promise<void> {
    const { db, hostId, folders } = this.#parts
    const { path, isUploaded } = sourceOf(folders, row)
    if (!isUploaded) return
    const rows = await stagedImages(db, hostId)
    const isWanted = rows.some(
      (each) => each.path === row.path && each.id !== row.id && each.state !== 'ready',
    )
    if (!isWanted) rmSync(path, { force: true })
  }

  /** Writes down how an image stands when its turn has come: the last word is the newest. */
  #tell(row: StagedRow, sha256: string | null = null): Promise<void> {
    const { db, hostId } = this.#parts
    const told = this.#telling.then(async () => {
      const progress = this.#progress.get(row.id)
      if (progress !== undefined) await noteImageCopy(db, hostId, row.id, { ...progress, sha256 })
    })
    this.#telling = told.catch(() => {}) // whoever told has the error
    return told
  }

  /** Tells the files of an image from others, in the staging folder and in use. */
  #filesOf(row: StagedRow): string {
    const { folders } = this.#parts
    return [sourceOf(folders, row).path, imagePath(folders, row)]
      .map((path) => statSync(path, { throwIfNoEntry: false }))
      .map((stat) => (stat === undefined ? '-' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`))
      .join(' ')
  }
}
