import type { Log } from '@ostler/kit/log.ts'
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Hypervisor, SystemSpec } from '../hypervisor/hypervisor.ts'
import { desktopsToCapture, endCapture, takeCapture } from '../store/captures.ts'
import { addImage, tagImage } from '../store/images.ts'
import type { Db } from '../store/open.ts'

export interface CaptureSettings {
  readonly db: Db
  readonly hostId: number
  /** Where images lie that were made here. */
  readonly golden: string
  readonly log: Log
}

/** Makes images of what desktops have become, one desktop at a time, while it rests. */
export class CaptureKeeper {
  readonly #settings: CaptureSettings

  constructor(settings: CaptureSettings) {
    this.#settings = settings
  }

  /** Desktops that somebody must look at for this. */
  async waiting(): Promise<number[]> {
    return await desktopsToCapture(this.#settings.db)
  }

  /**
   * Makes what is asked for of a desktop at rest. Called in its own series, so nothing starts it meanwhile.
   * @returns false while it may not start.
   */
  async captureIfAsked(spec: SystemSpec, hypervisor: Hypervisor, signal: AbortSignal): Promise<boolean> {
    const { db, hostId, golden, log } = this.#settings
    // Where its overlay is no other node's, that node has to do it. Whether storage that is away keeps it from starting, a start says.
    const written =
      spec.overlay === 'persistent' ? await hypervisor.written(spec.id).catch(() => []) : [spec.id]
    if (written.length === 0) return true
    const order = await takeCapture(db, spec.id, hostId)
    if (order === undefined) return true
    if (order === 'elsewhere') return false
    const draft = join(golden, `draft-${order.id}`)
    try {
      if (hypervisor.capture === undefined) throw new Error(`the driver ${hypervisor.name} makes no images`)
      mkdirSync(golden, { recursive: true, mode: 0o700 })
      const kind = await hypervisor.capture(spec, draft, signal)
      const path = join(golden, `image-${order.id}`)
      rmSync(path, { recursive: true, force: true })
      renameSync(draft, path)
      const added = await addImage(
        db,
        { flavourId: order.flavourId, kind, path, version: order.version ?? undefined },
        {},
      )
      if (order.tag !== null) await tagImage(db, added.id, order.tag, {})
      await endCapture(db, order.id, { imageId: added.id })
      log.info('image made of a desktop', { vm: spec.id, image: added.id, version: added.version })
    } catch (error) {
      rmSync(draft, { recursive: true, force: true })
      if (signal.aborted) return false // the next hkd begins again
      await endCapture(db, order.id, { fault: error instanceof Error ? error.message : String(error) })
      log.error('no image could be made of a desktop', { vm: spec.id, error })
    }
    return true
  }
}
