import * as z from 'zod'

/** Bodies about groups, tenants, and how many desktops a flavour may have. */
const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must begin with a letter or digit and hold no blanks')
const login = z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/, 'is not a usable account name')
/** The names that a directory or a provider has for groups are free text, too. */
const groupName = z.string().regex(/^[^\p{Cc}/,]{1,256}$/u, 'is no name of a group')
const most = z.coerce.number().int().min(0).max(1_000_000)

const MEGABYTES: Readonly<Record<string, number>> = { K: 1 / 1_024, M: 1, G: 1_024, T: 1_048_576 }

/** Megabytes of a home, or a number with K, M, G or T behind it; 0: no limit. QVD's word. */
export const storageSize = z.preprocess(
  (said) => {
    const [, number = '', unit = ''] =
      /^(\d{1,12})([KMGT])$/i.exec(typeof said === 'string' ? said : '') ?? []
    return number === '' ? said : Math.floor(Number(number) * (MEGABYTES[unit.toUpperCase()] ?? 1))
  },
  z.coerce
    .number()
    .int()
    .max(67_108_864)
    .refine((size) => size === 0 || size >= 16, { error: 'is 0 for no limit, or at least 16 (MB)' }),
)

/** Kilobits (1000 bits) per second. */
const kbit = z.coerce.number().int().min(64).max(10_000_000)
/** Operations per second, and kilobytes (1024 bytes) per second: of reading and of writing each, at every disk. */
const iops = z.coerce.number().int().min(10).max(10_000_000)
const kbytes = z.coerce.number().int().min(64).max(100_000_000)
/** Within how many seconds desktops are there, in how many per cent of their starts (docs/slo.md). */
const sloSeconds = z.coerce.number().int().min(1).max(86_400)
const sloPercent = z.coerce.number().min(50).max(99.99)

export const newGroup = z.strictObject({ tenant: name.optional(), name: groupName })
export const memberBody = z.strictObject({ tenant: name.optional(), user: login })
export const tenantEdit = z.strictObject({ name })

/** Whose a flavour is, how many desktops it may have, what each may receive, send, read and write, and what is promised of starts. */
export const flavourLimits = {
  /** Where it is missing, all tenants may use it. */
  tenant: name.optional(),
  max_desktops: most.optional(),
  max_per_user: most.optional(),
  net_in: kbit.optional(),
  net_out: kbit.optional(),
  disk_iops: iops.optional(),
  disk_rate: kbytes.optional(),
  slo_seconds: sloSeconds.optional(),
  slo_percent: sloPercent.optional(),
}

const none = z.literal('').transform(() => null)
/** What is changed of a flavour; an empty number takes the limit away. */
export const flavourEdit = z
  .strictObject({
    max_desktops: none.or(most).optional(),
    max_per_user: none.or(most).optional(),
    net_in: none.or(kbit).optional(),
    net_out: none.or(kbit).optional(),
    disk_iops: none.or(iops).optional(),
    disk_rate: none.or(kbytes).optional(),
    slo_seconds: none.or(sloSeconds).optional(),
    slo_percent: sloPercent.optional(),
    user_storage_size: storageSize.optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), {
    error:
      'nothing is changed: give max_desktops, max_per_user, net_in, net_out, disk_iops, disk_rate, slo_seconds, slo_percent or user_storage_size',
  })
