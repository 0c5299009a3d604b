import type { Log } from '@ostler/kit/log.ts'
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
  readonly #timer: NodeJS.Timeout
  readonly #end = new AbortController()
  #work: Promise<void>
  #again = false

  constructor(settings: BackupKeeperSettings) {
    this.#settings = settings
    this.#work = closeInterruptedBackups(settings.db).then(
      (count) => void (count > 0 && settings.log.warn('a backup was interrupted', { count })),
      (error: unknown) => settings.log.warn('backups could not be read, will be tried again', { error }),
    )
    this.#timer = setInterval(() => this.look(), TICK_MS)
    this.look()
  }

  /** Looks whether one was asked for or is due, once more after the present look if one is under way. */
  look(): void {
    if (this.#again) return
    this.#again = true
    this.#work = this.#work.then(async () => {
      this.#again = false
      if (!this.#end.signal.aborted) await this.#makeDue()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#end.abort()
    await this.#work
  }

  async #makeDue(): Promise<void> {
    const { db, log } = this.#settings
    const at = this.#settings.at()
    try {
      const last = await lastBackups(db)
      this.verifiedAt = (last.verifiedAt?.getTime() ?? 0) / 1_000
      if (at !== undefined && isBackupDue(at, this.#delayMs, last, new Date()))
        await askForBackup(db, 'the nightly hour')
      const ids = await takeBackups(db)
      if (ids.length > 0) await this.#make(ids)
    } catch (error) {
      log.warn('backups could not be looked at, will be tried again', { error })
    }
  }

  async #make(ids: readonly number[]): Promise<void> {
    const { db, save, log } = this.#settings
    try {
      const made = await save(Math.max(...ids), this.#end.signal)
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
