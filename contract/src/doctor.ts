import { ADMIN_OBJECTS } from './admin-api.ts'

/** The hops from a client to what a user sees, in order: each needs the ones before it (docs/doctor.md). */
export const HOPS = ['api', 'database', 'door', 'node', 'image', 'desktop', 'agent', 'display'] as const
export type Hop = (typeof HOPS)[number]

/** What was found at one hop. */
export interface Finding {
  readonly hop: Hop
  /** `unknown`: it was not looked at, or cannot be seen from here, as `said` tells. */
  readonly state: 'ok' | 'failed' | 'unknown'
  readonly said: string
  /** What to do, where something failed. */
  readonly advice: string | null
}

/** All nodes and doors. */
export const DOCTOR_PATH = '/v1/doctor'

/** One desktop with what is before it. */
export function doctorPath(name: string): string {
  return `${ADMIN_OBJECTS.vm.path}/${encodeURIComponent(name)}/doctor`
}
