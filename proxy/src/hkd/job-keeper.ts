import type { Log } from '@ostler/kit/log.ts'
import { Series } from '@ostler/kit/series.ts'
import { jobsToDo, stepJob, sweepPreviews } from '../store/jobs.ts'
import type { Db } from '../store/open.ts'
import { stepRollOut } from './roll-out.ts'

/** How often jobs are looked at without a hint: also what a dead hkd has left is found by this. */
const TICK_MS = 2_000
const SWEEP_MS = 600_000

/**
 * Does jobs step by step, each step one transaction: rows say how far a job is, and an hkd that takes one over goes on where
 * the other one died. A job is one hkd's at a time, for as long as that lives.
 */
export class JobKeeper implements AsyncDisposable {
  readonly #db: Db
  readonly #hostId: number
  readonly #log: Log
  readonly #series: Series<number>
  readonly #timers: readonly NodeJS.Timeout[]
  #open: readonly number[] = []
  #closed = false

  constructor(db: Db, hostId: number, log: Log) {
    this.#db = db
    this.#hostId = hostId
    this.#log = log
    this.#series = new Series((id) => this.#stepUntilQuiet(id))
    this.#timers = [setInterval(() => this.look(), TICK_MS), setInterval(() => this.#sweep(), SWEEP_MS)]
    this.look()
  }

  /** Looks which jobs there are to do, and does them. */
  look(): void {
    if (this.#closed) return
    jobsToDo(this.#db, this.#hostId)
      .then((ids) => {
        this.#open = ids
        this.lookAtOpen()
      })
      .catch((error: unknown) => this.#log.warn('jobs could not be listed', { error }))
  }

  /** Looks at those that were under way at the last look: something may have happened that they wait for. */
  lookAtOpen(): void {
    if (!this.#closed) for (const id of this.#open) this.#series.request(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers) clearInterval(timer)
    await this.#series.idle()
  }

  async #stepUntilQuiet(id: number): Promise<void> {
    try {
      while (!this.#closed && (await stepJob(this.#db, id, this.#hostId, stepRollOut)) === true);
    } catch (error) {
      this.#log.error('a job could not be stepped, will be tried again', { job: id, error })
    }
  }

  #sweep(): void {
    sweepPreviews(this.#db).catch((error: unknown) =>
      this.#log.warn('previews could not be swept', { error }),
    )
  }
}
