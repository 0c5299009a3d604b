/** A time of day. */
export interface TimeOfDay {
  readonly hours: number
  readonly minutes: number
}

/** What is known of earlier backups. */
export interface BackupHistory {
  /** When the last one that succeeded was asked for. */
  readonly verifiedAt: Date | null
  /** When the last one of all was asked for. */
  readonly triedAt: Date | null
  /** When there first was something to save. */
  readonly madeAt: Date
}

/** One that failed is tried again after so long. */
export const RETRY_MS = 3_600_000

/** Reads `HH:MM`. @throws Error for anything else. */
export function parseTimeOfDay(text: string): TimeOfDay {
  const found = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text)
  if (found === null) throw new Error('is no time of day, such as 03:15')
  return { hours: Number(found[1]), minutes: Number(found[2]) }
}

/**
 * Whether a nightly backup is due: the hour has come since the last good one, or since the database was made. A node that
 * was off at that hour makes it up when it is on again.
 *
 * @param delayMs how long after `at` this node begins, so that many nodes do not begin at once.
 */
export function isBackupDue(at: TimeOfDay, delayMs: number, history: BackupHistory, now: Date): boolean {
  const { verifiedAt, triedAt, madeAt } = history
  const since = verifiedAt ?? madeAt
  const failedLately = triedAt !== null && triedAt > since && now.getTime() - triedAt.getTime() < RETRY_MS
  return !failedLately && since < lastHour(at, delayMs, now)
}

/** The last moment, at or before now, at which a backup was to begin. */
function lastHour({ hours, minutes }: TimeOfDay, delayMs: number, now: Date): Date {
  const onDay = (daysAgo: number): Date => {
    const [year, month, day] = [now.getFullYear(), now.getMonth(), now.getDate() - daysAgo]
    return new Date(new Date(year, month, day, hours, minutes).getTime() + delayMs)
  }
  return onDay(0) <= now ? onDay(0) : onDay(1)
}
