import { type StartPlace, startPlaces } from '../../model/start-queue.ts'
import type { Db } from '../../store/open.ts'
import { readStartQueue } from '../../store/start-queue.ts'

/** Hundreds may wait: they share what was read so lately. */
const FRESH_MS = 500

/** Tells users who wait for a start where they stand: what the housekeeping would start next, computed from the same rows. */
export class StartLine {
  readonly #db: Db
  #read: Promise<ReadonlyMap<number, StartPlace>> | undefined
  #at = -Infinity

  constructor(db: Db) {
    this.#db = db
  }

  /** Where a desktop stands now, or did half a second ago. Throws what the database throws. */
  async placeOf(vmId: number): Promise<StartPlace> {
    const now = performance.now()
    if (this.#read === undefined || now - this.#at > FRESH_MS) {
      this.#at = now
      this.#read = readStartQueue(this.#db).then(startPlaces)
      // Whoever asks next reads again.
      this.#read.catch(() => (this.#read = undefined))
    }
    return (await this.#read).get(vmId) ?? { kind: 'next' }
  }
}
