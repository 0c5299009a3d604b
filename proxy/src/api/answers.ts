import { JOB_STATES } from '@ostler/contract/jobs.ts'
import * as z from 'zod'

/** Rows of lists and answers, as the OpenAPI document and the tests know them. Times are ISO 8601. */
const time = z.iso.datetime()
const text = z.string()
const maybe = text.nullable()
const id = z.int()

export const tenantRow = z.strictObject({ id, name: text, blocked: z.boolean() })
export const userRow = z.strictObject({ id, login: text, tenant: text, role: text, blocked: z.boolean() })
export const hostRow = z.strictObject({
  ...{ id, name: text, state: text, blocked: z.boolean() },
  memory: z.int().describe('megabytes'),
  seen: time,
  address: maybe.describe('of its door, for other doors'),
  desktops: z.int().describe('that it has now'),
})
export const flavourRow = z.strictObject({
  ...{ id, name: text },
  memory: z.int().describe('megabytes'),
  cpu_percent: z.int(),
  is_application: z.boolean(),
  displays: z.array(text),
  hypervisor: maybe,
  home_mb: z.int(),
  overlay: text,
  tenant: maybe,
  ...{ max_desktops: z.int().nullable(), max_per_user: z.int().nullable() },
  ...{ net_in: z.int().nullable(), net_out: z.int().nullable() },
  ...{ disk_iops: z.int().nullable(), disk_rate: z.int().nullable() },
  ...{ slo_seconds: z.int().nullable(), slo_percent: z.number() },
})
export const imageRow = z.strictObject({
  ...{ id, name: text, osf: text, version: text, kind: text, path: text },
  tags: maybe.describe('with blanks between them'),
  blocked: z.boolean(),
  state: maybe,
})
export const desktopRow = z.strictObject({
  ...{ id, name: text, user: text, tenant: text, osf: text, state: text, host: maybe, address: text },
  blocked: z.boolean(),
  user_state: text,
  ...{ di_tag: text, di: maybe, di_next: maybe },
  ...{ expire_soft: time.nullable(), expire_hard: time.nullable() },
  agent: maybe,
  failures: z.int(),
  fault: maybe,
})
export const policyRow = z.strictObject({ position: z.int(), name: text, about: text, says: text })
export const groupRow = z.strictObject({ id, name: text, tenant: text, members: text })
export const poolRow = z.strictObject({
  ...{ id, name: text, tenant: text, osf: text, di_tag: text, assign: text },
  ...{ size: z.int(), spare: z.int(), max: z.int(), 'stop-after': z.int().nullable() },
  for: text,
  ...{ running: z.int(), assigned: z.int(), dirty: z.int(), waiting: z.int() },
  maintenance: maybe,
})
export const homeRow = z.strictObject({
  ...{ id, user: text, tenant: text, osf: text, kind: text, path: text, host: maybe, limit_mb: z.int() },
  ...{ state: text, vm: maybe, purge: time.nullable(), now: maybe, trouble: maybe },
})
const home = z.strictObject({ id, was: text, path: text, until: time })
export const removed = z.strictObject({ desktops: z.int(), homes: z.array(home) })
export const jobRow = z.strictObject({
  ...{ id, kind: text, state: z.enum(JOB_STATES), progress: text, by: text, made: time },
  ...{ ended: time.nullable(), reason: text },
})
export const jobShown = z.strictObject({
  ...jobRow.shape,
  items: z.array(z.strictObject({ vm: text, wave: z.int(), state: text, fault: maybe })),
  log: z.array(z.strictObject({ number: z.int(), at: time, text })),
})
export const rollOut = z.strictObject({
  ...{ job: z.int(), token: text, image: text, old: maybe, tag: text, waves: z.int() },
  lines: z.array(
    z.strictObject({
      ...{ vm: text, state: text, host: maybe, user: maybe, runs: maybe, wave: z.int(), does: text },
    }),
  ),
})
export const noticeRow = z.strictObject({
  id: text.describe('a number that may be larger than 2^53'),
  ...{ kind: text, at: time, vm: text, user: text, said: text },
  ...{ mailed_at: time.nullable(), posted_at: time.nullable() },
})
export const backupRow = z.strictObject({
  ...{ id, by: text, file: maybe, fault: maybe },
  ...{ bytes: z.number().nullable(), rows: z.number().nullable() },
  ...{ askedAt: time, endedAt: time.nullable() },
})
export const expiring = z.strictObject({ count: z.int(), soft: time.nullable(), hard: time.nullable() })
export const keyValue = z.strictObject({ key: text, value: text })
export const configurationEntry = z.strictObject({ key: text, value: text, origin: text })
export const configurationChange = z.strictObject({
  count: z.int(),
  restart: z.record(text, z.array(text)),
  notes: z.array(text),
})
export const administratorRow = z.strictObject({
  ...{ id, name: text, role: text, tenant: maybe, blocked: z.boolean(), made: time },
})
export const tokenRow = z.strictObject({
  ...{ id, administrator: text, name: text, kind: z.enum(['token', 'invitation']), scope: maybe },
  ...{ made: time, expires: time, used: time.nullable(), from: maybe },
})
export const auditRow = z.strictObject({
  ...{ id, at: time, request: text, by: text, role: text, address: text, action: text, object: text },
  status: z.int(),
  fault: maybe,
  ...{ said: z.unknown(), before: z.unknown(), after: z.unknown() },
})
