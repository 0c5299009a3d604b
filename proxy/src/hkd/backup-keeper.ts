import type { Log } from '@ostler/kit/log.ts'
import { Rounds } from '@ostler/kit/rounds.ts'
import { isBackupDue, type TimeOfDay } from '../model/backup-time.ts'
import {
  askForBackup,
  type BackupMade,
  closeInterruptedBackups,
  endBackups,
  lastBackups,
  takeBackups,
} from '../store/backups.ts'
import type { Db } from '../store/open.ts'

const TICK_MS = 30_000
/** Nodes that share an hour do not begin at once. */
const MOST_DELAY_MS = 600_000

export interface BackupKeeperSettings {
  readonly db: Db
  /** Makes one and verifies it; ends early when it is told to. */
  readonly save: (number: number, signal: AbortSignal) => Promise<BackupMade>
  /** The hour of the nightly one, as it is now; without it there is none. */
  readonly at: () => TimeOfDay | undefined
  readonly log: Log
}

/** Makes the backups that are asked for, and asks for one every night. One at a time. */
export class BackupKeeper implements AsyncDisposable {
  /** When the last one that was verified was asked for, in seconds since 1970; 0: never. */
  verifiedAt = 0
  readonly #settings: BackupKeeperSettings
  readonly #delayMs = Math.floor(Math.random() * MOST_DELAY_MS)
  readonly #rounds: Rounds
  #hasClosedInterrupted = false

  constructor(settings: BackupKeeperSettings) {
    this.#settings = settings
    const { log } = settings
    this.#rounds = new Rounds({
      everyMs: TICK_MS,
      round: (signal) => this.#makeDue(signal),
      onError: (error) => log.warn('backups could not be looked at, will be tried again', { error }),
    })
  }

  /** Looks whether one was asked for or is due, once more after the present look if one is under way. */
  look(): void {
    this.#rounds.ask()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds[Symbol.asyncDispose]()
  }

  async #makeDue(signal: AbortSignal): Promise<void> {
    const { db } = this.#settings
    await this.#closeInterrupted()
    const at = this.#settings.at()
    const last = await lastBackups(db)
    this.verifiedAt = (last.verifiedAt?.getTime() ?? 0) / 1_000
    if (at !== undefined && isBackupDue(at, this.#delayMs, last, new Date()))
      await askForBackup(db, 'the nightly hour')
    const ids = await takeBackups(db)
    if (ids.length > 0) await this.#make(ids, signal)
  }

  /** Whoever was at one before us has ended half-way. */
  async #closeInterrupted(): Promise<void> {
    if (this.#hasClosedInterrupted) return
    const { db, log } = this.#settings
    const count = await closeInterruptedBackups(db)
    if (count > 0) log.warn('a backup was interrupted', { count })
    this.#hasClosedInterrupted = true
  }

  async #make(ids: readonly number[], signal: AbortSignal): Promise<void> {
    const { db, save, log } = this.#settings
    try {
      const made = await save(Math.max(...ids), signal)
      log.info('backup made and verified', { ...made })
      await endBackups(db, ids, made)
      const { verifiedAt } = await lastBackups(db)
      this.verifiedAt = (verifiedAt?.getTime() ?? 0) / 1_000
    } catch (error) {
      log.error('there is no new backup', { error })
      await endBackups(db, ids, { fault: error instanceof Error ? error.message : String(error) })
    }
  }
}
