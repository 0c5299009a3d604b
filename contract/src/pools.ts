import * as z from 'zod'
import { list, login, name, ofTenant, yesNo } from './admin-api.ts'

/** Pools of desktops (docs/pools.md), as the administrator's tools speak of them. */
export const POOLS_PATH = '/v1/pools'

const count = z.coerce.number().int().min(0).max(10_000)
const minutes = z.union([
  z.literal('never').transform(() => null),
  z.coerce.number().int().min(0).max(100_000),
])
const logins = list.pipe(z.array(login))
const groups = list.pipe(z.array(z.string().min(1).max(256)))

const settings = {
  di_tag: name.optional(),
  /** Until a desktop has stopped, or until it is taken from her. */
  assign: z.enum(['floating', 'dedicated']).optional(),
  /** Desktops that there are. */
  size: count.optional(),
  /** Desktops that run and wait for somebody. */
  spare: count.optional(),
  /** Desktops that may be somebody's or run at once; its size if not given. */
  max: count.optional(),
  /** Minutes after which a desktop that was left is stopped. */
  'stop-after': minutes.optional(),
  everyone: yesNo.optional(),
  users: logins.optional(),
  groups: groups.optional(),
}

export const newPool = z
  .strictObject({ ...ofTenant, name, osf: name, ...settings, size: count })
  .refine(
    ({ everyone, users = [], groups: theirs = [] }) => everyone === true || users.length + theirs.length > 0,
    { error: 'say who may use it: everyone=yes, users=… or groups=…' },
  )

export const poolChange = z
  .strictObject(settings)
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    error: `nothing is changed: give one of ${Object.keys(settings).join(', ')}`,
  })

/** What can be looked after: nobody new comes to its desktops, and their users read why. */
export const MAINTAINED = ['vm', 'user', 'osf', 'host', 'pool'] as const
export type Maintained = (typeof MAINTAINED)[number]

/** @param kind one of `MAINTAINED`. */
export function maintenancePath(kind: Maintained, named: string): string {
  return `/v1/maintenance/${kind}/${encodeURIComponent(named)}`
}

export const maintenanceBody = z.strictObject({
  ...ofTenant,
  /** The sentence that its users read; null: it is open again. */
  said: z
    .string()
    .regex(/^[^\p{Cc}]{1,500}$/u, 'must be one line of up to 500 characters')
    .nullable(),
  /** Whether desktops that run are stopped. */
  stop: yesNo.default(false),
})

/** Images that are made of what desktops have become. */
export const CAPTURES_PATH = '/v1/captures'

export const captureBody = z.strictObject({
  /** The desktop whose system is copied; it must be at rest, and have kept what was written. */
  vm: name,
  /** The flavour that gets the image. */
  osf: name,
  version: name.optional(),
  tag: name.optional(),
})

/** How a copy comes on. */
export interface CaptureState {
  readonly stage: string
  readonly ended: boolean
  readonly fault: string | null
  readonly image: string | null
  readonly version: string | null
}
