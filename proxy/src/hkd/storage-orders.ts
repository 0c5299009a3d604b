import type { Log } from '@ostler/kit/log.ts'
import { Rounds } from '@ostler/kit/rounds.ts'
import { requireAnswers } from '../hypervisor/storage/answers.ts'
import { bytesBelow } from '../hypervisor/storage/bytes-below.ts'
import { findOrphans, removeOrphan } from '../hypervisor/storage/orphans.ts'
import type { StorageFolders } from '../model/storage-layout.ts'
import type { Db } from '../store/open.ts'
import {
  endLook,
  endPurge,
  type FoundOrphan,
  openLooks,
  openPurges,
  storageRows,
} from '../store/storage-looks.ts'

const TICK_MS = 30_000

export interface StorageOrdersParts {
  readonly db: Db
  readonly hostId: number
  readonly folders: StorageFolders
  readonly log: Log
}

/**
 * Looks through the storage for what nothing needs when an administrator asks, and removes what she names of it. Before each removal
 * it is found again: what has changed since it was listed, or is needed by now, stays.
 */
export class StorageOrders implements AsyncDisposable {
  readonly #parts: StorageOrdersParts
  readonly #rounds: Rounds

  constructor(parts: StorageOrdersParts) {
    this.#parts = parts
    const { log } = parts
    this.#rounds = new Rounds({
      everyMs: TICK_MS,
      round: (signal) => this.#serve(signal),
      onError: (error) =>
        log.warn('orders for the storage could not be read, will be tried again', { error }),
    })
  }

  /** Does what was ordered, once more after the present work if some is under way. */
  look(): void {
    this.#rounds.ask()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds[Symbol.asyncDispose]()
  }

  async #serve(signal: AbortSignal): Promise<void> {
    const { db, hostId } = this.#parts
    for (const id of await openLooks(db, hostId)) await endLook(db, id, await this.#findAll())
    for (const order of await openPurges(db, hostId)) {
      if (signal.aborted) return
      await endPurge(db, order.id, await this.#purge(order))
    }
  }

  async #findAll(): Promise<FoundOrphan[] | { fault: string }> {
    const { db, folders, log } = this.#parts
    try {
      await requireAnswers(Object.values(folders))
      const found: FoundOrphan[] = []
      for (const orphan of findOrphans(folders, await storageRows(db)))
        found.push({ ...orphan, bytes: await bytesBelow(orphan.path) })
      return found
    } catch (error) {
      log.error('the storage could not be looked through', { error })
      return { fault: error instanceof Error ? error.message : String(error) }
    }
  }

  /** @returns why it was not removed; null: it was. */
  async #purge({ path, identity }: { path: string; identity: string }): Promise<string | null> {
    const { db, folders, log } = this.#parts
    try {
      // Rows first, then the disk: a row that comes later has a number that no folder bears.
      const rows = await storageRows(db)
      await requireAnswers(Object.values(folders))
      const found = findOrphans(folders, rows).find((orphan) => orphan.path === path)
      if (found === undefined) return 'it is needed or in use by now, or gone'
      if (found.identity !== identity) return 'it was changed since it was listed'
      await removeOrphan(found)
      log.info('an orphan was removed', { path, kind: found.kind, why: found.why })
      return null
    } catch (error) {
      log.error('an orphan could not be removed', { path, error })
      return error instanceof Error ? error.message : String(error)
    }
  }
}
