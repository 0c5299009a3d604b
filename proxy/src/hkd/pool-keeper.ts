import type { Log } from '@ostler/kit/log.ts'
import { Rounds } from '@ostler/kit/rounds.ts'
import type { Db } from '../store/open.ts'
import { stopLeftDesktops } from '../store/left-desktops.ts'
import { desktopsToReset, poolIds, tendPool } from '../store/pools.ts'

/** A lost hint costs this much. */
const TICK_MS = 5_000

export interface PoolKeeperSettings {
  readonly db: Db
  readonly hostId: number
  /** Has the housekeeping look at a desktop: it alone resets, since it alone starts. */
  readonly look: (vmId: number) => void
  /** Desktops that are to be looked at for other reasons than their state. */
  readonly waiting: () => Promise<readonly number[]>
  readonly log: Log
}

/**
 * Gives desktops of pools to those who wait, takes back what was left, keeps spare ones, and wishes desktops to stop that nobody
 * has come back to. It remembers nothing: every look reads the rows. Keepers of several nodes do each other no harm.
 */
export class PoolKeeper implements AsyncDisposable {
  readonly #settings: PoolKeeperSettings
  readonly #rounds: Rounds
  /** When desktops were last looked for that nobody has come back to: time brings them, not a hint. */
  #leftAt = -Infinity

  constructor(settings: PoolKeeperSettings) {
    this.#settings = settings
    const { log } = settings
    this.#rounds = new Rounds({
      everyMs: TICK_MS,
      round: () => this.#tend(),
      onError: (error) => log.warn('pools could not be looked after, will be tried again', { error }),
    })
  }

  /** Looks at every pool, once more after the present look if one is under way. */
  look(): void {
    this.#rounds.ask()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds[Symbol.asyncDispose]()
  }

  async #tend(): Promise<void> {
    const { db, look, waiting, log } = this.#settings
    for (const pool of await poolIds(db)) {
      const { given, taken, spare } = await tendPool(db, pool)
      for (const { vmId, userId } of given)
        log.info('desktop of a pool given', { pool, vm: vmId, user: userId })
      if (taken.length > 0) log.info('desktops of a pool taken back', { pool, vms: taken })
      if (spare.length > 0) log.info('spare desktops wished up', { pool, vms: spare })
    }
    for (const vmId of [...(await desktopsToReset(db)), ...(await waiting())]) look(vmId)
    await this.#stopLeft()
  }

  async #stopLeft(): Promise<void> {
    const { db, hostId, log } = this.#settings
    if (performance.now() - this.#leftAt < TICK_MS / 2) return
    this.#leftAt = performance.now()
    for (const { vmId, minutes } of await stopLeftDesktops(db, hostId))
      log.info('desktop was left and is stopped', { vm: vmId, minutes })
  }
}
