import type { Log } from '@ostler/kit/log.ts'
import { Rounds } from '@ostler/kit/rounds.ts'
import type { Db } from '../store/open.ts'
import { purgeLog } from '../store/vm-log.ts'

const EVERY_MS = 6 * 3_600_000

/**
 * Removes old lines from the log of desktops, now and every few hours. Several nodes may do so.
 * @param days how long a line is kept; 0: for ever.
 */
export function keepLogShort(db: Db, days: number, log: Log): AsyncDisposable {
  if (days === 0) return { [Symbol.asyncDispose]: () => Promise.resolve() }
  return new Rounds({
    everyMs: EVERY_MS,
    round: async () => {
      const gone = await purgeLog(db, days)
      if (gone > 0) log.info('old lines of the log of desktops are gone', { lines: gone, days })
    },
    onError: (error) =>
      log.warn('the log of desktops could not be shortened, will be tried again', { error }),
  })
}
