import * as z from 'zod'
import { DISPLAY_KINDS } from './identity.ts'
import { flavourLimits, newGroup, storageSize } from './model-api.ts'
import { CLIPBOARD_WAYS, FOLDER_ACCESS } from './session-policy.ts'
import type { KeptFailure } from './storage-api.ts'
import { ADMIN_TUNNELS } from './tunnel.ts'

/** What the administrator's tools send to the api, and get back. Names are QVD's: osf is a flavour, di a disk image. */
export const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must begin with a letter or digit and hold no blanks')

/** A login is also the account in the desktop: the agent takes these. */
export const login = z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, 'is not a usable account name')

/** QVD writes 1 and 0. */
export const yesNo = z
  .enum(['yes', 'no', 'on', 'off', '1', '0'])
  .transform((word) => ['yes', 'on', '1'].includes(word))

const password = z.string().max(1024)
/** The tenant of what is named; where it is missing, the first one's. */
export const ofTenant = { tenant: name.optional() }

/** A list by commas; `none` is an empty one. */
export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '' && word !== 'none'),
)

const newTenant = z.strictObject({ name })
/** By its `nodename`. */
const newHost = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$/),
  /** Where its door is reached, until that has been open and says so itself. */
  address: z
    .string()
    .regex(/^[A-Za-z0-9:][A-Za-z0-9.:-]{0,252}$/, 'is neither a name nor an address')
    .optional(),
})
/** Without a password she signs in by another plugin only, such as that of a directory. */
export const newUser = z.strictObject({
  ...ofTenant,
  login,
  password: password.default(''),
  role: z.enum(['user', 'power', 'support']).default('user'),
})
export const newFlavour = z.strictObject({
  name,
  memory: z.coerce.number().int().min(64).max(1_048_576).default(1024),
  cpus: z.coerce.number().min(0.05).max(256).default(1),
  /** One program without a desktop around it. */
  application: yesNo.optional(),
  /** QVD's word for the same. */
  is_application: yesNo.optional(),
  /** How its desktops can be seen; where it is missing, as what runs them can. */
  displays: list.pipe(z.array(z.enum(DISPLAY_KINDS)).min(1)).optional(),
  /** What runs its desktops; where it is missing, what runs desktops on their node. */
  hypervisor: z.enum(['lxc', 'kvm', 'process']).optional(),
  user_storage_size: storageSize.optional(),
  /** What becomes of what its desktops write outside their homes (docs/pools.md). */
  overlay: z.enum(['snapshot', 'persistent', 'user']).default('snapshot'),
  /** QVD's word for having one. */
  use_overlay: yesNo
    .refine((yes) => yes, 'must be 1: a desktop writes to an overlay, never to its image')
    .optional(),
  ...flavourLimits,
})
/** A word as for at(1), such as `now` or `NEXT SAT`; the api reads it by its own clock and time zone. */
const time = z.string().min(1).max(100)
const expiry = { 'expire-soft': time.optional(), 'expire-hard': time.optional() }
const tag = name

export const newImage = z
  .strictObject({
    name: name.optional(),
    osf: name.optional(),
    osf_id: z.coerce.number().int().positive().optional(),
    /** Without: by the ending of the file. */
    kind: z.enum(['instant', 'directory', 'tarball', 'squashfs', 'qcow2']).optional(),
    path: z
      .string()
      .regex(
        /^(?:\/[\w./+-]*|\w[\w.+-]*)$/,
        'must be an absolute path, or the name of a file in the staging folder, of letters, digits and . _ + -',
      )
      .default('/'),
    /** What the file must hash to. */
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hexadecimal digits')
      .toLowerCase()
      .optional(),
    version: tag.optional(),
    ...expiry,
  })
  .refine((image) => (image.osf === undefined) !== (image.osf_id === undefined), {
    error: 'say whose image it is: osf=NAME or osf_id=NUMBER',
  })
  .transform((image, context) => {
    const kind = image.kind ?? kindOfFile(image.path)
    if (kind !== undefined) return { ...image, kind }
    context.addIssue(
      'say what it is, which its name does not tell: kind=directory, tarball, squashfs or qcow2',
    )
    return z.NEVER
  })
  .refine(({ kind, path }) => kind !== 'instant' || path.startsWith('/'), {
    error: 'an instant image has no file: leave path out',
  })

/** What a file is by its ending; QVD's virtual machines are `.img`. */
export function kindOfFile(path: string): 'tarball' | 'squashfs' | 'qcow2' | undefined {
  if (/\.(tar(\.\w+)?|tgz|txz|tbz2?|tzst)$/.test(path)) return 'tarball'
  if (/\.(squashfs|sqfs|sfs)$/.test(path)) return 'squashfs'
  return /\.(qcow2|img)$/.test(path) ? 'qcow2' : undefined
}
export const newDesktop = z
  .strictObject({
    ...ofTenant,
    name,
    user: login,
    osf: name,
    di_tag: tag.default('default'),
    /** Its fixed address; without: the highest free one. */
    ip: z.ipv4().optional(),
    /** So many, called NAME-1, NAME-2 …, all or none. */
    bulk: z.coerce.number().int().min(1).max(1_000).optional(),
  })
  .refine(({ ip, bulk }) => ip === undefined || bulk === undefined, {
    error: 'desktops of bulk= get an address each: leave ip out',
  })

/** What a rule may say; it must say something. */
const POLICY_SAYS = [
  ...(['use', 'displays', 'clipboard', 'folders'] as const),
  ...(['ports', 'printing', 'audio', 'usb', 'quota'] as const),
] as const

/** A rule (docs/policy.md): whom it is about, then what it says. */
const newPolicyRule = z
  .strictObject({
    name,
    position: z.coerce.number().int().min(-1_000_000).max(1_000_000).optional(),
    tenant: name.optional(),
    user: login.optional(),
    group: z.string().min(1).max(256).optional(),
    role: z.enum(['user', 'power', 'support']).optional(),
    osf: name.optional(),
    vm: name.optional(),
    from: list.optional(),
    use: yesNo.optional(),
    displays: list.pipe(z.array(z.enum(DISPLAY_KINDS))).optional(),
    clipboard: z.enum(CLIPBOARD_WAYS).optional(),
    folders: z.enum(FOLDER_ACCESS).optional(),
    roots: list
      .pipe(z.array(z.string().regex(/^[^,\0\n]{1,1024}$/, 'must be folders, separated by commas')))
      .optional(),
    ports: yesNo.optional(),
    printing: yesNo.optional(),
    audio: yesNo.optional(),
    usb: yesNo.optional(),
    quota: z.coerce.number().int().min(0).max(10_000).optional(),
  })
  .refine((rule) => rule.roots === undefined || rule.folders !== undefined, {
    error: 'roots need folders=ro or folders=rw beside them',
  })
  .refine((rule) => POLICY_SAYS.some((key) => rule[key] !== undefined), {
    error: `the rule says nothing: give one of ${POLICY_SAYS.join(', ')}`,
  })

export type NewPolicyRuleBody = z.output<typeof newPolicyRule>

/** Bodies of changes to what is there already. */
export const blockBody = z.strictObject({ ...ofTenant, blocked: z.boolean() })
export const passwordBody = z.strictObject({ ...ofTenant, password: password.min(1) })
export const tagBody = z.strictObject({ tag, ...expiry })
/** What is changed of a desktop; an empty time clears it. */
export const desktopBody = z
  .strictObject({
    di_tag: tag.optional(),
    'expire-soft': time.or(z.literal('')).optional(),
    'expire-hard': time.or(z.literal('')).optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    error: 'nothing is changed: give di_tag, expire-soft or expire-hard',
  })
/** What came of a change of images or tags: how many desktops expire now, and when (ISO 8601). */
export interface Expiring {
  readonly count: number
  readonly soft: string | null
  readonly hard: string | null
}
/** Asks for a tunnel to a desktop. The answer is a `TunnelOffer`. */
export const tunnelBody = z.strictObject({
  kind: z.enum(ADMIN_TUNNELS),
  /** The account whose login shell a console opens. */
  account: z
    .string()
    .regex(/^[a-z_][a-z0-9_.-]{0,31}$/, 'is no account name')
    .default('root'),
  /** Who asks, for the audit log. */
  person: z
    .string()
    .regex(/^[^\p{Cc}]{1,64}$/u, 'is no name')
    .default('administrator'),
})
const pairs = z.record(z.string().min(1).max(256), z.string().max(4096))
/** Names and values that every agent takes as parameters of a session. */
export const propertySet = z
  .record(
    z.string(),
    z
      .string()
      .max(4096)
      .regex(/^[^\u0000-\u001f\u007f]*$/u, 'has control characters'),
  )
  .superRefine((set, context) => {
    // A record says of a bad key only that it is one.
    const refuse = (key: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [key], message })
    for (const key of Object.keys(set)) {
      if (!/^[\w.:-]{1,128}$/.test(key))
        refuse(key, 'is no usable name: up to 128 letters, digits and . _ : -')
      else if (key.startsWith('qvd.ostler.')) refuse(key, 'is for Ostler alone')
    }
  })
export const propertiesBody = z.strictObject({ ...ofTenant, set: propertySet })
export const configurationBody = z.strictObject({ ...ofTenant, set: pairs })

/** One line of `propget` and `config get`; a secret's value is `***`. */
export interface KeyValue {
  readonly key: string
  readonly value: string
}
export const CONFIGURATION_PATH = '/v1/configuration'
export const BACKUPS_PATH = '/v1/backups'
export const OVERVIEW_PATH = '/v1/overview'
export const NOTICES_PATH = '/v1/notices'
export const COUNTERS_PATHS = { host: '/v1/counters/hosts', vm: '/v1/counters/desktops' } as const

/** How a backup that was asked for stands. */
export interface BackupState {
  readonly ended: boolean
  /** Name of the verified file. */
  readonly file: string | null
  /** Why there is none. */
  readonly fault: string | null
}

/** The certificate of all doors. PEM; the key goes in and never comes out. */
export const SSL_PATH = '/v1/ssl'
const pem = z.string().min(1).max(500_000)
export const sslBody = z.strictObject({ key: pem, cert: pem, ca: pem.optional(), crl: pem.optional() })

export interface SslShown {
  /** Where it comes from; `none`: the doors of the node that was asked speak without TLS. */
  readonly origin: 'database' | 'file' | 'none'
  /** What the doors of that node show when there is none in the database. */
  readonly file: string
  readonly certificate: {
    readonly subject: string
    readonly issuer: string
    readonly names: readonly string[]
    /** ISO 8601. */
    readonly validFrom: string
    readonly validTo: string
    /** SHA-256, in hexadecimal with colons. */
    readonly fingerprint: string
    /** How many certificates are sent, its own among them. */
    readonly chain: number
    readonly warnings: readonly string[]
  } | null
  /** Whether the database has these as well. */
  readonly ca: boolean
  readonly crl: boolean
  readonly setAt: string | null
  /** The fingerprint of what the doors of that node have now. */
  readonly shownHere: string | null
}

/** The kinds of things that there are, where they are, and what it takes to add one. */
export const ADMIN_OBJECTS = {
  tenant: { path: '/v1/tenants', schema: newTenant },
  user: { path: '/v1/users', schema: newUser },
  host: { path: '/v1/hosts', schema: newHost },
  osf: { path: '/v1/flavours', schema: newFlavour },
  di: { path: '/v1/images', schema: newImage },
  vm: { path: '/v1/desktops', schema: newDesktop },
  policy: { path: '/v1/policy', schema: newPolicyRule },
  group: { path: '/v1/groups', schema: newGroup },
} as const

/** What can be blocked: nobody comes in by it, or to it, until it is unblocked. */
export const BLOCKABLE = ['tenant', 'user', 'host', 'di', 'vm'] as const
export type Blockable = (typeof BLOCKABLE)[number]

/** What has properties. Those of all but nodes become parameters of sessions; later ones win. */
export const PROPERTY_OWNERS = ['host', 'osf', 'di', 'user', 'vm'] as const
export type PropertyOwner = (typeof PROPERTY_OWNERS)[number]

export type AdminObject = keyof typeof ADMIN_OBJECTS

/** What is known about why a desktop is as it is. */
export interface Explanation {
  readonly name: string
  readonly state: string
  /** A chain of sentences: what is so, what decides it, what holds it, what went wrong, and what to try. */
  readonly because: readonly string[]
  /** The end of what the last boot that went wrong has said on its console. */
  readonly console: { boot: number; at: string; said: string } | null
  readonly fault: string | null
  /** The tag that it starts by, what that stands for now, and what it runs. */
  readonly image: { tag: string; next: string | null; running: string | null }
  readonly expires: { soft: string | null; hard: string | null }
  /** What runs its present boot, or ran its last one, and what should be known about that. */
  readonly hypervisor: string | null
  readonly warning: string | null
  /** Who sits at it now. */
  readonly seat: { state: string; label: string; door: string; since: string } | null
  readonly wishes: readonly {
    kind: string
    by: string
    reason: string
    at: string
    outcome: string | null
    /** The client's connection by which it came, as the logs name it. */
    connection: string | null
  }[]
  readonly timeline: readonly { step: string; at: string }[]
  readonly hooks: readonly { at: string; hook: string; exit: number | null; ms: number; said: string }[]
  /** What lies on a node's disk of its last starts that failed. */
  readonly kept: readonly KeptFailure[]
  readonly log: readonly { at: string; event: string; prior: string; state: string; fault: string | null }[]
}
