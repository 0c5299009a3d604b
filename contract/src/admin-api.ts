import * as z from 'zod'

/** What the administrator's tools send to the api, and get back. Names are QVD's: osf is a flavour, di a disk image. */
const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must begin with a letter or digit and hold no blanks')

/** A login is also the account in the desktop. */
const login = z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/, 'is not a usable account name')

export const newUser = z.strictObject({ login, password: z.string().min(1).max(1024) })
export const newFlavour = z.strictObject({
  name,
  memory: z.coerce.number().int().min(64).max(1_048_576).default(1024),
  cpus: z.coerce.number().min(0.05).max(256).default(1),
})
export const newImage = z.strictObject({
  name,
  osf: name,
  kind: z.enum(['instant', 'directory', 'tarball']),
  path: z
    .string()
    .regex(/^\/[\w./+-]*$/, 'must be an absolute path of letters, digits and . _ + -')
    .default('/'),
})
export const newDesktop = z.strictObject({ name, user: login, osf: name })

/** The kinds of things that can be listed and added, and where they are. */
export const ADMIN_OBJECTS = {
  user: { path: '/v1/users', schema: newUser },
  osf: { path: '/v1/flavours', schema: newFlavour },
  di: { path: '/v1/images', schema: newImage },
  vm: { path: '/v1/desktops', schema: newDesktop },
} as const

export type AdminObject = keyof typeof ADMIN_OBJECTS

/** What is known about why a desktop is as it is. */
export interface Explanation {
  readonly name: string
  readonly state: string
  readonly fault: string | null
  /** Who sits at it now. */
  readonly seat: { state: string; label: string; door: string; since: string } | null
  readonly wishes: readonly { kind: string; by: string; reason: string; at: string; outcome: string | null }[]
  readonly timeline: readonly { step: string; at: string }[]
  readonly hooks: readonly { at: string; hook: string; exit: number | null; ms: number; said: string }[]
  readonly log: readonly { at: string; event: string; prior: string; state: string; fault: string | null }[]
}
