import * as z from 'zod'
import { ADMIN_OBJECTS, propertySet } from './admin-api.ts'

/** What is done to all that a filter finds: first it is asked what that is, then it is done to those. */
export type BulkKind = 'vm' | 'user' | 'host' | 'osf' | 'di'

const filter = z.string().max(4_000)
export const filterBody = z.strictObject({ filter })
export const bulkBody = z.strictObject({
  filter,
  /** Of the preview: it stands for those that were found. */
  token: z.string().min(1).max(64),
})

const keys = z.array(z.string().min(1).max(1_024)).max(1_000)
export const bulkPropertiesSet = bulkBody.extend({ set: propertySet })
export const bulkPropertiesDeleted = bulkBody.extend({ keys: keys.min(1) })
/** Which properties are shown; without keys all of them. */
export const bulkPropertiesAsked = filterBody.extend({ keys: keys.default([]) })

/** Where a filter is previewed, or with an action where it is done. */
export function bulkPath(kind: BulkKind, action?: string): string {
  const path = `${ADMIN_OBJECTS[kind].path}/bulk`
  return action === undefined ? path : `${path}/${action}`
}

export interface BulkFailure {
  readonly name: string
  readonly fault: string
  readonly text: string
}
export interface BulkFound {
  readonly names: readonly string[]
  readonly token: string
}
/** One property of one of those that were found. */
export interface BulkProperty {
  readonly name: string
  readonly key: string
  readonly value: string
}
export interface BulkDone {
  readonly done: number
  readonly failures: readonly BulkFailure[]
}
