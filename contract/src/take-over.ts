import * as z from 'zod'

/** A whole QVD's database comes in (docs/import.md). */
export const QVD_IMPORT_PATH = '/v1/import/qvd'

export const qvdImportBody = z.strictObject({
  /** A name or an address, or the folder of a unix socket. */
  host: z.string().min(1).max(253),
  port: z.coerce.number().int().min(1).max(65_535).default(5_432),
  database: z.string().min(1).max(63).default('qvd'),
  user: z.string().min(1).max(63).default('qvd'),
  password: z.string().max(1_024).default(''),
  /** False: it is only said what would be. */
  apply: z.boolean().default(false),
})

/** The users and desktops of a KVM-VDI come in, out of a dump of its database. */
export const KVM_VDI_IMPORT_PATH = '/v1/import/kvm-vdi'

export const kvmVdiImportBody = z.strictObject({
  /** What mysqldump wrote. */
  text: z.string().min(1),
  apply: z.boolean().default(false),
})

/** What there is to be taken over, in the order in which it is. */
export const TAKEN_KINDS = [
  'tenant',
  'user',
  'group',
  'osf',
  'di',
  'vm',
  'pool',
  'property',
  'config',
  'host',
  'administrator',
] as const
export type TakenKind = (typeof TAKEN_KINDS)[number]

export interface TakenOver {
  /** Of its tables, as it says itself. */
  readonly version: string
  readonly counts: readonly {
    readonly kind: TakenKind
    readonly found: number
    /** Added here, or to be added. */
    readonly taken: number
    /** There already, and left as it is. */
    readonly kept: number
  }[]
  /** What is not as it was there, and what is left out, each with the reason. */
  readonly notes: readonly { readonly kind: TakenKind; readonly name: string; readonly text: string }[]
  readonly applied: boolean
}
