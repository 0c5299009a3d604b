import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { Rounds } from '@ostler/kit/rounds.ts'
import { join } from 'node:path'
import { growMountedHome } from '../hypervisor/homes/home-image.ts'
import { moveHome, removeHome } from '../hypervisor/homes/home-moves.ts'
import { requireAnswers } from '../hypervisor/storage/answers.ts'
import { requireMounted } from '../hypervisor/homes/home-place.ts'
import {
  homeGrown,
  homeMoved,
  homePurged,
  homesToGrow,
  homesToMove,
  homesToPurge,
  type HomeToGrow,
  type HomeWork,
  noteHomeTrouble,
} from '../store/home-work.ts'
import { trashOwnerless } from '../store/home-trash.ts'
import type { Db } from '../store/open.ts'

export interface HomeKeeperSettings {
  readonly db: Db
  readonly hostId: number
  /** `path.storage.homefs` */
  readonly homes: string
  /** Nothing is done unless something is mounted there. */
  readonly mustBeMounted: boolean
  /** How long homes stay in the trash. */
  readonly trashDays: number
  readonly log: Log
}

const TICK_MS = 60_000

/**
 * Moves homes into the trash and back, removes those whose time is over, and makes those grow that are in use. Rows say what is to be done; files follow; the row says last
 * that it was done. Cut short anywhere, the next look finds it.
 */
export class HomeKeeper implements AsyncDisposable {
  readonly #settings: HomeKeeperSettings
  readonly #rounds: Rounds

  constructor(settings: HomeKeeperSettings) {
    this.#settings = settings
    const { log } = settings
    this.#rounds = new Rounds({
      everyMs: TICK_MS,
      round: (signal) => this.#doAll(signal),
      onError: (error) => log.warn('homes could not be looked at, will be tried again', { error }),
    })
  }

  /** Looks whether anything is to be done, once more after the present look if one is under way. */
  look(): void {
    this.#rounds.ask()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds[Symbol.asyncDispose]()
  }

  async #doAll(signal: AbortSignal): Promise<void> {
    const { db, hostId, homes, mustBeMounted, trashDays, log } = this.#settings
    const kept = await trashOwnerless(db, trashDays)
    for (const home of kept) log.info('a home of nobody goes to the trash', { ...home })
    const [moves, purges] = [await homesToMove(db, hostId), await homesToPurge(db, hostId)]
    const grows = await homesToGrow(db, hostId)
    if (moves.length + purges.length + grows.length === 0) return
    await requireAnswers([homes])
    if (mustBeMounted) requireMounted(homes)
    for (const home of moves) if (!signal.aborted) await this.#try(home, () => this.#move(home))
    for (const home of purges) if (!signal.aborted) await this.#try(home, () => this.#purge(home))
    for (const home of grows) if (!signal.aborted) await this.#try(home, () => this.#grow(home))
  }

  /** One that cannot be moved is no obstacle for the others. */
  async #try(home: Pick<HomeWork, 'id'>, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const { db, log } = this.#settings
      log.warn('a home could not be moved, removed or made larger, will be tried again', {
        home: home.id,
        error,
      })
      await noteHomeTrouble(db, home.id, error instanceof Error ? error.message : String(error))
    }
  }

  async #move(home: HomeWork): Promise<void> {
    const { db, homes, log } = this.#settings
    if (home.movingTo === null) return
    const moved = await moveHome(homes, home.path, home.movingTo)
    if (!moved && home.isMade) throw new Fault('home.missing', { home: home.path })
    await (moved ? homeMoved(db, home) : homePurged(db, home.id)) // or it was never made
    if (!moved) return
    log.info('home moved', { home: home.id, from: home.path, to: home.movingTo })
  }

  async #grow(home: HomeToGrow): Promise<void> {
    const { db, homes, log } = this.#settings
    if (!(await growMountedHome(join(homes, home.path), home.limitMb))) return
    await homeGrown(db, home)
    log.info('home is larger', { home: home.id, path: home.path, limitMb: home.limitMb })
  }

  async #purge(home: HomeWork): Promise<void> {
    const { db, homes, log } = this.#settings
    for (const path of [home.path, home.movingTo]) if (path !== null) await removeHome(homes, path)
    await homePurged(db, home.id)
    log.info('home removed for good', { audit: true, home: home.id, path: home.path })
  }
}
