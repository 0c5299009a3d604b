import * as z from 'zod'
import { name, ofTenant } from './admin-api.ts'

/** Who administers, what each may, and the tokens by which they come over the network (docs/api.md). */
export const PERMISSIONS = [
  'tenant.see',
  'tenant.change',
  'user.see',
  'user.change',
  'host.see',
  'host.change',
  'flavour.see',
  'flavour.change',
  'image.see',
  'image.change',
  'desktop.see',
  'desktop.change',
  /** Start, stop, reset, disconnect. */
  'desktop.run',
  /** Shells, serial lines and the session of whoever works there. */
  'desktop.enter',
  'pool.see',
  'pool.change',
  'policy.see',
  'policy.change',
  'home.see',
  'home.change',
  'job.see',
  'job.change',
  'maintenance.change',
  'configuration.see',
  'configuration.change',
  'storage.see',
  'storage.change',
  'backup.see',
  'backup.change',
  'notice.see',
  'administrator.see',
  'administrator.change',
  'audit.see',
  /** What everybody may who has a token: to ask who she is. */
  'self.see',
  /** To end the session by which she came. */
  'self.end',
] as const
export type Permission = (typeof PERMISSIONS)[number]

const allBut = (...words: readonly RegExp[]): readonly Permission[] =>
  PERMISSIONS.filter((permission) => !words.some((word) => word.test(permission)))
const only = (...words: readonly RegExp[]): readonly Permission[] =>
  PERMISSIONS.filter((permission) => words.some((word) => word.test(permission)))

/** What each role may. `tenant-admin` always has a tenant; the others may have one, and then see nothing beyond it. */
export const ROLE_PERMISSIONS = {
  superadmin: PERMISSIONS,
  'tenant-admin': allBut(/^(tenant|configuration|storage|backup|host|notice)\.change$/),
  operator: allBut(/^(tenant|user|policy|configuration|administrator)\.change$/, /^audit\./),
  support: only(/^(user|desktop|home|pool|flavour|image|job)\.see$/, /^desktop\.run$/, /^self\./),
  auditor: only(/\.see$/, /^self\./),
} as const satisfies Record<string, readonly Permission[]>
export type AdministratorRole = keyof typeof ROLE_PERMISSIONS
export const ADMINISTRATOR_ROLES = Object.keys(ROLE_PERMISSIONS) as [
  AdministratorRole,
  ...AdministratorRole[],
]

export const ADMINISTRATORS_PATH = '/v1/administrators'
export const TOKENS_PATH = '/v1/tokens'
export const AUDIT_PATH = '/v1/audit'
export const SELF_PATH = '/v1/self'
/** Where the one-time code of an invitation is exchanged for a token; nobody is signed in there. */
export const REDEEM_PATH = '/v1/redeem'
/** Where a browser signs in and out. */
export const SESSION_PATH = '/v1/session'
/** Header of a browser's requests: the half of its token that the page keeps; the other half is a cookie that no page reads. */
export const PAGE_HEADER = 'Ostler-Page'
export const OPENAPI_PATH = '/api/openapi.json'
/** Of every request and of its answer: as the audit log, the log and `qa vm explain` name it. */
export const REQUEST_HEADER = 'Ostler-Request'

const role = z.enum(ADMINISTRATOR_ROLES)

/** A permission, or all of a kind: `desktop.*`, `*.see`. */
const scopeWord = z
  .string()
  .refine((word) => permissionsOf(word).length > 0, { error: 'names no permission' })
/** A list, or words by commas. */
const scope = z.union([
  z.array(scopeWord).min(1).max(100),
  z
    .string()
    .max(2_000)
    .transform((text) => text.split(','))
    .pipe(z.array(scopeWord).min(1).max(100)),
])
const days = z.coerce.number().int().min(1).max(366)

/** The permissions that a word stands for. */
export function permissionsOf(word: string): readonly Permission[] {
  const [kind = '', verb = '', ...more] = word.split('.')
  if (more.length > 0) return []
  return PERMISSIONS.filter((permission) => {
    const [itsKind, itsVerb] = permission.split('.')
    return (kind === '*' || kind === itsKind) && (verb === '*' || verb === itsVerb)
  })
}

export const newAdministrator = z
  .strictObject({ ...ofTenant, name, role })
  .refine((said) => said.role !== 'tenant-admin' || said.tenant !== undefined, {
    error: 'a tenant-admin is of a tenant: give tenant=NAME',
  })
  .refine((said) => said.role !== 'superadmin' || said.tenant === undefined, {
    error: 'a superadmin is of no tenant: leave tenant out',
  })

export const newToken = z.strictObject({
  /** Whose; her own if left out. */
  administrator: name.optional(),
  name,
  /** What it is good for, of what its owner may; all of it if left out. */
  scope: scope.optional(),
  days: days.default(90),
})
export const newInvitation = z.strictObject({ hours: z.coerce.number().int().min(1).max(168).default(24) })
export const redeemBody = z.strictObject({ code: z.string().min(1).max(200), name: name.default('qa') })
export const sessionBody = z
  .strictObject({
    /** Of an invitation: it is good once. */
    code: z.string().min(1).max(200).optional(),
    token: z.string().min(1).max(200).optional(),
    /** For thirty days instead of twelve hours; a token's own end comes first. */
    keep: z.boolean().default(false),
  })
  .refine((said) => (said.code === undefined) !== (said.token === undefined), {
    error: 'give a code or a token',
  })
export const firstAdministrator = z.strictObject({ name: name.default('admin') })

/** A token that was made. Its text is shown this once and kept nowhere. */
export interface TokenMade {
  readonly id: number
  readonly token: string
  readonly administrator: string
  /** ISO 8601. */
  readonly expires: string
}
/** An invitation that was made: a code that is good once. */
export interface Invited {
  readonly code: string
  readonly administrator: string
  /** ISO 8601. */
  readonly expires: string
}

/** What `qa login` keeps in a file, so that later commands find the api. */
export const keptLogin = z.strictObject({
  url: z.url({ protocol: /^https$/ }),
  token: z.string().min(1),
  /** SHA-256 of its certificate, where no authority has signed that. */
  fingerprint: z.string().optional(),
})
