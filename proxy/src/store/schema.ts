import type { TimelineStep } from '@ostler/contract/timeline.ts'
import type { ColumnType, Generated } from 'kysely'
import type { VmState } from '../model/vm-machine.ts'
import type { WishKind } from '../model/wish.ts'

type Timestamp = ColumnType<Date, Date | undefined, Date>
type OptionalTimestamp = ColumnType<Date | null, Date | null | undefined, Date | null>

/** All tables, in the schema `ostler`. Ids are plain integers: they stand in URLs and container names. */
export interface Database {
  host: {
    id: Generated<number>
    name: string
    memory_mb: number
    seen_at: Timestamp
  }
  users: {
    id: Generated<number>
    login: string
    password: string
    blocked: Generated<boolean>
  }
  flavour: {
    id: Generated<number>
    name: string
    memory_mb: number
    /** Hundredths of a core. */
    cpu_percent: number
  }
  disk_image: {
    id: Generated<number>
    flavour_id: number
    name: string
    kind: 'instant' | 'directory' | 'tarball'
    path: string
  }
  vm: {
    id: Generated<number>
    name: string
    user_id: number
    flavour_id: number
    address: string
    blocked: Generated<boolean>
    // facts, written by hkd alone
    state: Generated<VmState>
    prior: Generated<VmState>
    state_since: Timestamp
    epoch: Generated<number>
    host_id: ColumnType<number | null, number | null | undefined, number | null>
    fault: ColumnType<string | null, string | null | undefined, string | null>
  }
  vm_edge: { prior: VmState; state: VmState }
  vm_log: {
    id: Generated<number>
    vm_id: number
    epoch: number
    event: string
    prior: VmState
    state: VmState
    fault: string | null
    at: Timestamp
  }
  wish: {
    number: Generated<number>
    vm_id: number
    kind: WishKind
    by: string
    reason: string
    at: Timestamp
    expires_at: OptionalTimestamp
    closed_at: OptionalTimestamp
    outcome: ColumnType<string | null, string | null | undefined, string | null>
  }
  seat: {
    vm_id: number
    epoch: number
    /** The connection that has the desktop; null when nobody does. */
    holder: string | null
    /** How the holder describes itself to the one that it displaces. */
    label: string
    lease_until: Timestamp
  }
  timeline: {
    vm_id: number
    epoch: number
    step: TimelineStep
    at: Timestamp
  }
  session_hook: {
    id: Generated<number>
    vm_id: number
    epoch: number
    session: number
    at: Timestamp
    hook: string
    word: string
    exit: number | null
    ms: number
    said: string
  }
  authority: {
    id: Generated<number>
    certificate: string
    sealed_key: string
  }
}
