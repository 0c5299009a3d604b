import * as z from 'zod'
import { CONFIGURATION_PATH, type KeyValue } from './admin-api.ts'

/** A key with what holds, and where that comes from: `default`, `file:line`, `database`, or `tenant NAME`. */
export interface ConfigurationEntry extends KeyValue {
  readonly origin: string
}

/** Keys that were set or removed, and of each whose services must be started again first; none: it counts at once. */
export interface ConfigurationChange {
  readonly count: number
  readonly restart: Readonly<Record<string, readonly string[]>>
  /** Keys that are kept and not used, each with the reason. */
  readonly notes: readonly string[]
}

/** A sentence about keys that are set and that the node does not take as they stand. */
export interface ConfigurationFinding {
  readonly kind: 'mapped' | 'reported' | 'unknown' | 'misplaced'
  /** Each with where it stands. */
  readonly keys: readonly string[]
  readonly text: string
}
export const FINDINGS_PATH = `${CONFIGURATION_PATH}/findings`

/** A whole QVD's configuration comes in: its file, or a dump of its table. */
export const importBody = z.strictObject({
  text: z.string().max(8_000_000),
  /** What a tenant of QVD is called here, by its number there. */
  tenants: z.record(z.string().regex(/^\d{1,9}$/), z.string().min(1).max(63)).default({}),
  /** False: it is only said what would be. */
  apply: z.boolean().default(false),
})
export const IMPORT_PATH = `${CONFIGURATION_PATH}/import`

/** What becomes of one line of an import. */
export interface ImportedKey {
  readonly key: string
  /** Whose it is; null: of all. */
  readonly tenant: string | null
  /**
   * `honoured`, `mapped`, `reported` and `unknown` are stored; `file` belongs in the node's file, `ssl` in `qa config ssl`,
   * and `refused` cannot be: those three are left out.
   */
  readonly kind: 'honoured' | 'mapped' | 'reported' | 'unknown' | 'file' | 'ssl' | 'refused'
  /** Why, or how. */
  readonly text: string
}

export interface ImportAnswer {
  readonly keys: readonly ImportedKey[]
  /** How many were stored, or would be. */
  readonly stored: number
  readonly applied: boolean
}
