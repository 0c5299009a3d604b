import { Fault } from '@ostler/contract/fault.ts'
import type { SeatLoss } from '../store/seats.ts'

/** What ends a connection on purpose at its own door, as it stands in the row of its seat; no administrator is called so. */
export type SeatEnd = 'door:display' | 'door:idle' | 'door:age'

const LIMITS: Readonly<Record<Exclude<SeatEnd, 'door:display'>, string>> = {
  'door:idle': 'so long without a movement',
  'door:age': 'so long in all',
}

/** Why whoever had a seat has it no longer, where there was a newer claim or somebody ended it. */
export function lossFault({ label, endedBy }: SeatLoss): Fault {
  return endedBy === null || isSeatEnd(endedBy)
    ? new Fault('desktop.moved', { by: label })
    : new Fault('desktop.disconnected', { by: endedBy })
}

/** Why a seat that nobody has claimed since was given back. */
export function endFault(end: SeatEnd): Fault {
  return end === 'door:display'
    ? new Fault('desktop.sessionOver')
    : new Fault('desktop.limit', { limit: LIMITS[end] })
}

/** Tells a door's own words from the names of administrators. */
export function isSeatEnd(word: string): word is SeatEnd {
  return word === 'door:display' || word in LIMITS
}
