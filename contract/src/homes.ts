import * as z from 'zod'
import { login, name, ofTenant } from './admin-api.ts'

/** Homes, as the administrator's tools know them. */
export const HOMES_PATH = '/v1/homes'

/** A home that went to the trash. */
export interface HomeKept {
  readonly id: number
  /** Below `path.storage.homefs`: where it lay, and where it lies until it is removed. */
  readonly was: string
  readonly path: string
  readonly until: Date
}

/** One line of `qa home list`. */
export interface HomeListed {
  readonly id: number
  readonly user: string
  readonly tenant: string
  readonly osf: string
  readonly kind: string
  readonly path: string
  /** The only node that has it. */
  readonly host: string | null
  readonly limit_mb: number
  readonly state: string
  /** The desktop that writes to it. */
  readonly vm: string | null
  readonly purge: Date | null
  readonly now: string | null
  readonly trouble: string | null
}

/** What was removed, and which homes are kept in the trash. Times are ISO 8601. */
export interface Removed {
  readonly desktops: number
  readonly homes: readonly (Omit<HomeKept, 'until'> & { readonly until: string })[]
}

/** Whose a home from the trash is to be; whoever had it, if nothing is said. */
export const restoreBody = z.strictObject({ ...ofTenant, user: login.optional(), osf: name.optional() })

export const adoptBody = z.strictObject({
  ...ofTenant,
  user: login,
  osf: name,
  kind: z.enum(['directory', 'image', 'raw', 'qcow2']).default('directory'),
  path: z
    .string()
    .max(512)
    .regex(
      /^([\w@-][\w@.-]*\/)?[\w@-][\w@.-]*$/,
      'is neither a name in path.storage.homefs nor FOLDER/NAME there',
    )
    .refine((path) => !path.startsWith('trash/'), { error: 'lies in the trash: qa home restore' })
    .optional(),
})
