import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { Series } from '@ostler/kit/series.ts'
import { backOff, type BackOff } from '../../model/back-off.ts'
import type { NoticeChannel, NoticeKind } from '../../model/notice.ts'
import { dropOldNotices, type Notice, noticesFailed, noticesTold, takeNotices } from '../../store/notices.ts'
import type { Db } from '../../store/open.ts'

/**
 * Tells administrators of notices in one message.
 * @returns what an administrator should know although it was told.
 * @throws Error when nobody was told.
 */
export type Tell = (notices: readonly Notice[], signal: AbortSignal) => Promise<string | undefined>

export interface NotifierSettings {
  readonly db: Db
  /** What tells by each channel; a channel without one counts as told. */
  readonly channels: Readonly<Partial<Record<NoticeChannel, Tell>>>
  /** Of what administrators want to hear. */
  readonly kinds: readonly NoticeKind[]
  /** From one message of a channel to its next; what comes meanwhile comes as one summary. */
  readonly everyMs: number
  /** Days after which what could not be told is given up. */
  readonly keepDays: number
  readonly again?: BackOff
  readonly lookMs?: number
  /** A message may take so long. */
  readonly tellMs?: number
  readonly log: Log
}

const CHANNELS: readonly NoticeChannel[] = ['mail', 'webhook']
const AGAIN: BackOff = { firstMs: 10_000, longestMs: 3_600_000 }
const LOOK_MS = 5_000
const TELL_MS = 30_000
const DROP_MS = 3_600_000

/**
 * Empties the outbox: one message at a time and channel, one hkd at a time. What was told and could not be marked as told is
 * told again: a notice may come twice, and is not lost before it is old.
 */
export class Notifier implements AsyncDisposable {
  readonly #settings: NotifierSettings
  readonly #end = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #series = new Series<NoticeChannel>((channel) => this.#tell(channel))
  #dropAt = 0

  constructor(settings: NotifierSettings) {
    this.#settings = settings
    this.#timer = setInterval(() => this.look(), settings.lookMs ?? LOOK_MS)
    this.look()
  }

  /** Looks whether there is something to tell, once more after the present look if one is under way. */
  look(): void {
    if (!this.#end.signal.aborted) for (const channel of CHANNELS) this.#series.request(channel)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#end.abort()
    await this.#series.idle()
  }

  async #tell(channel: NoticeChannel): Promise<void> {
    const { db, channels, kinds, everyMs, log } = this.#settings
    const tellMs = this.#settings.tellMs ?? TELL_MS
    if (this.#end.signal.aborted) return
    try {
      await this.#drop()
      const tell = channels[channel]
      const taken = await takeNotices(db, channel, tell === undefined ? [] : kinds, 2 * tellMs)
      if (taken === undefined || tell === undefined) return
      const { notices, failures } = taken
      try {
        const deadline = AbortSignal.any([this.#end.signal, AbortSignal.timeout(tellMs)])
        const warning = await tell(notices, deadline)
        if (warning !== undefined) log.warn('administrators were told, but', { channel, warning })
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        const fault = new Fault('notify.failed', { channel, reason }, { cause: error })
        const againMs = backOff(failures + 1, this.#settings.again ?? AGAIN)
        log.warn('administrators could not be told', { error: fault, notices: notices.length, againMs })
        await noticesFailed(db, channel, fault.message, againMs)
        return
      }
      await noticesTold(
        db,
        channel,
        notices.map(({ id }) => id),
        everyMs,
      )
      log.info('administrators were told', { channel, notices: notices.length })
    } catch (error) {
      log.warn('notices could not be looked at, will be tried again', { channel, error })
    }
  }

  async #drop(): Promise<void> {
    const now = performance.now()
    if (now < this.#dropAt) return
    this.#dropAt = now + DROP_MS
    const { db, keepDays, log } = this.#settings
    const untold = await dropOldNotices(db, keepDays)
    if (untold > 0) log.error('notices were too old to be told and are gone', { notices: untold })
  }
}
