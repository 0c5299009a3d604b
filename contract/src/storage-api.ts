import * as z from 'zod'

/** What the administrator's tools ask of the nodes' storage. */
export const STORAGE_LOOKS_PATH = '/v1/storage/looks'
export const STORAGE_PURGES_PATH = '/v1/storage/purges'

/** What is to be removed, by the numbers under which it was listed. */
export const purgeBody = z.strictObject({ ids: z.array(z.number().int().positive()).min(1).max(10_000) })

/** How a look through the storage of a node stands, and what it found. */
export interface StorageLook {
  readonly id: number
  readonly host: string
  readonly ended: boolean
  /** Why it found nothing out. */
  readonly fault: string | null
  readonly orphans: readonly {
    readonly id: number
    readonly kind: string
    readonly path: string
    readonly bytes: number
    /** ISO 8601. */
    readonly modified: string
    readonly why: string
  }[]
}

/** How a removal stands. */
export interface StoragePurge {
  readonly id: number
  readonly path: string
  readonly ended: boolean
  /** Why it was not removed. */
  readonly fault: string | null
}

/** What was kept of a start that failed. */
export interface KeptFailure {
  /** ISO 8601. */
  readonly at: string
  readonly host: string
  readonly folder: string
  readonly bytes: number
  readonly fault: string
}
