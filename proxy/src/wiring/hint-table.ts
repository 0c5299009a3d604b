import type { Log } from '@ostler/kit/log.ts'
import { type HintChannel, listenForHints } from '../store/hints.ts'
import type { DatabaseAddress } from '../store/open.ts'

/**
 * Who looks at what when a hint of a kind comes. @param id of which row; `undefined`: any may have changed, which is
 * also said to each after the connection was interrupted.
 */
export type HintTable = Partial<Record<HintChannel, (id: number | undefined) => void>>

/** Listens for the hints that the table names; returns a disposer. */
export function listenByTable(address: DatabaseAddress, table: HintTable, log: Log): AsyncDisposable {
  const channels = Object.keys(table) as HintChannel[]
  return listenForHints(
    address,
    channels,
    (channel, id) => {
      if (channel === undefined) for (const each of channels) table[each]?.(undefined)
      else table[channel]?.(id)
    },
    log,
  )
}
