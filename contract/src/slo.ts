import * as z from 'zod'
import { ADMIN_OBJECTS } from './admin-api.ts'

/** Who may have eaten the time of a start, in order (docs/slo.md): each is the way from one step of the timeline to the next. */
export const START_HOPS = ['queue', 'preparation', 'boot', 'account', 'session', 'connection'] as const
export type StartHop = (typeof START_HOPS)[number]

/** How the starts of a flavour went. Times are whole milliseconds. */
export interface FlavourStarts {
  readonly osf: string
  /** What is promised: `percent` of all starts within `seconds`; null: nothing. */
  readonly seconds: number | null
  readonly percent: number
  /** All that ended, well or not. */
  readonly starts: number
  /** Those that came to run, and took longer than was promised. */
  readonly late: number
  readonly failed: number
  /** How many per cent did as promised, or without a promise came to run; null: there were none. */
  readonly reached: number | null
  /** What is left of the failures that the promise allows, in per cent; below zero: it is broken. Null: nothing is promised, or there were none. */
  readonly budget: number | null
  /** What half of those that ran took at most, and what `percent` of them did; null: none ran. */
  readonly medianMs: number | null
  readonly percentMs: number | null
  /** Which hop is to blame for most of those that were late or failed. */
  readonly blamed: StartHop | null
}

/** What one hop took. */
export interface HopTimes {
  readonly hop: StartHop
  /** Half of all starts took at most so long here, and `percent` of them did; null: none came by. */
  readonly medianMs: number | null
  readonly percentMs: number | null
  /** For how many starts it is to blame. */
  readonly blamed: number
  /** So much more than usual those have taken here, all together. */
  readonly lostMs: number
}

/** A start that was late or failed, and why. */
export interface BadStart {
  readonly vm: string
  /** When it ended, ISO 8601. */
  readonly at: string
  /** Null: it failed. */
  readonly tookMs: number | null
  readonly blamed: StartHop
  /** What that hop took, and what it takes usually; null: it failed there. */
  readonly hopMs: number | null
  readonly usualMs: number
  /** What went wrong. */
  readonly fault: string | null
}

/** One flavour, hop by hop. */
export interface FlavourStartDetail extends FlavourStarts {
  readonly hops: readonly HopTimes[]
  /** The newest of those that were late or failed. */
  readonly worst: readonly BadStart[]
}

/** All flavours that promise something, or had starts. */
export const SLO_PATH = '/v1/slo'

/** How far back is looked. */
export const sloQuery = z.strictObject({ days: z.coerce.number().int().min(1).max(366).default(30) })

/** One flavour. */
export function sloPath(name: string): string {
  return `${ADMIN_OBJECTS.osf.path}/${encodeURIComponent(name)}/slo`
}
