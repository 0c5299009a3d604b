import type { Log } from '@ostler/kit/log.ts'
import { Rounds } from '@ostler/kit/rounds.ts'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { requireAnswers } from '../hypervisor/storage/answers.ts'
import { failedStarts } from '../hypervisor/storage/failed-starts.ts'
import { removeOrphan } from '../hypervisor/storage/orphans.ts'
import type { StorageFolders } from '../model/storage-layout.ts'
import { forgetFailedStart, leftFailedStarts } from '../store/failed-starts.ts'
import type { Db } from '../store/open.ts'

const TICK_MS = 60_000

export interface FailedStartKeeperParts {
  readonly db: Db
  readonly hostId: number
  readonly folders: Pick<StorageFolders, 'overlayfs' | 'overlays'>
  readonly log: Log
}

/**
 * Removes what was kept of the failed starts of a desktop when the desktop was removed. Only what a row tells of goes: what
 * merely has no row may be that of a database which was put back to an earlier day.
 */
export class FailedStartKeeper implements AsyncDisposable {
  readonly #parts: FailedStartKeeperParts
  readonly #rounds: Rounds

  constructor(parts: FailedStartKeeperParts) {
    this.#parts = parts
    const { log } = parts
    this.#rounds = new Rounds({
      everyMs: TICK_MS,
      round: (signal) => this.#removeLeft(signal),
      onError: (error) =>
        log.warn('what failed starts have left was not removed, will be tried again', { error }),
    })
  }

  /** A desktop may have been removed. */
  look(): void {
    this.#rounds.ask()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds[Symbol.asyncDispose]()
  }

  async #removeLeft(signal: AbortSignal): Promise<void> {
    const { db, hostId, folders, log } = this.#parts
    for (const { id, folder } of await leftFailedStarts(db, hostId)) {
      if (signal.aborted) return
      await requireAnswers([dirname(folder)])
      if (!existsSync(dirname(folder))) continue // its storage is not there at the moment
      const kept = [folders.overlayfs, folders.overlays].flatMap((overlays) => failedStarts(overlays))
      const found = kept.find(({ path }) => path === folder)
      if (found !== undefined) await removeOrphan(found)
      await forgetFailedStart(db, id)
      log.info('what a failed start of a removed desktop has left is removed', { folder })
    }
  }
}
