import * as z from 'zod'

/** How a job stands. What it may become is in `JOB_ORDERS` and, for what hkd does, in the kind of job. */
export const JOB_STATES = [
  'previewed',
  'running',
  'paused',
  'stopping',
  'done',
  'failed',
  'rolled back',
] as const
export type JobState = (typeof JOB_STATES)[number]

/**
 * How one desktop of a job stands: its turn has not come; it was told; it runs the new image, or starts it next; it runs the old
 * one again; it failed; or it is no longer among those that the job is about.
 */
export type JobItemState = 'waiting' | 'sent' | 'new' | 'old' | 'failed' | 'left'

/** What an administrator orders of a job: the states in which she may, and what comes of it. */
export const JOB_ORDERS = {
  pause: { from: ['running'], to: 'paused' },
  resume: { from: ['paused'], to: 'running' },
  stop: { from: ['running', 'paused'], to: 'stopping' },
} as const satisfies Record<string, { from: readonly JobState[]; to: JobState }>
export type JobOrder = keyof typeof JOB_ORDERS

export const JOBS_PATH = '/v1/jobs'
export const ROLL_OUTS_PATH = '/v1/roll-outs'

/** A line of `qa job list`. Times are ISO 8601. */
export interface JobLine {
  readonly id: number
  readonly kind: string
  readonly state: JobState
  readonly progress: string
  readonly by: string
  readonly made: string
  readonly ended: string | null
  readonly reason: string
}

/** Everything about one job. */
export interface JobShown extends JobLine {
  readonly items: readonly { vm: string; wave: number; state: JobItemState; fault: string | null }[]
  /** Oldest first. */
  readonly log: readonly { number: number; at: string; text: string }[]
}

/** What a roll-out would do to one desktop, as of now. */
export interface PreviewLine {
  readonly vm: string
  readonly state: string
  readonly host: string | null
  /** Who sits at it; `null`: nobody. */
  readonly user: string | null
  /** The image that it runs. */
  readonly runs: string | null
  readonly wave: number
  readonly does: string
}

/** What a roll-out would do. It begins when it is told to with this token, unless the world has changed meanwhile. */
export interface RollOutPreview {
  readonly job: number
  readonly token: string
  readonly image: string
  readonly old: string | null
  readonly tag: string
  readonly waves: number
  readonly lines: readonly PreviewLine[]
}

/** So many, or such a part of all. */
export type Share = { readonly count: number } | { readonly percent: number }

const share = (least: number) =>
  z
    .string()
    .regex(/^\d{1,6}%?$/, 'must be a number or a percentage')
    .transform((text): Share => {
      const number = parseInt(text, 10)
      return text.endsWith('%') ? { percent: number } : { count: number }
    })
    .refine((asked) => !('percent' in asked) || asked.percent <= 100, 'is more than all')
    .refine((asked) => ('percent' in asked ? asked.percent : asked.count) >= least, 'is too few')

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }
const seconds = z
  .string()
  .regex(/^\d{1,5}[smhd]?$/, 'must be a time such as 90s, 10m or 2h')
  .transform((text) => parseInt(text, 10) * (UNITS[text.slice(-1)] ?? 1))

/** A word as for at(1), read anew when each wave's turn comes. */
const time = z.string().min(1).max(100)
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/)

export const rollOutBody = z
  .strictObject({
    di: name.optional(),
    di_id: z.coerce.number().int().positive().optional(),
    tag: name.default('default'),
    canary: share(0).prefault('5%'),
    wave: share(1).prefault('100%'),
    pause: seconds.prefault('10m'),
    soft: time.optional(),
    hard: time.optional(),
    /** Whether desktops at which nobody has sat since their start are started anew at once. */
    idle: z.enum(['restart', 'wait']).default('restart'),
    'stop-on': z.coerce.number().int().min(1).max(100_000).default(1),
  })
  .refine((asked) => (asked.di === undefined) !== (asked.di_id === undefined), {
    error: 'say which image: di=NAME or di_id=NUMBER',
  })

export const runBody = z.strictObject({ token: z.string().min(1).max(64) })
