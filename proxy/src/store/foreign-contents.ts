import type { FlavourHypervisor } from '../model/hypervisor-kind.ts'

/**
 * What somebody else's installation has: a QVD 3.x or 4.x (compatibility page 8), or a KVM-VDI. Numbers are its own; a QVD 3.x has no
 * tenants.
 */
export interface ForeignContents {
  readonly version: string
  readonly tenants: readonly { readonly id: number; readonly name: string; readonly blocked: boolean }[]
  readonly users: readonly {
    readonly id: number
    readonly tenant_id: number | null
    readonly login: string
    readonly password: string | null
    readonly blocked: boolean
  }[]
  /** Names with numbers of users. */
  readonly groups: readonly { readonly name: string; readonly members: readonly number[] }[]
  readonly osfs: readonly {
    readonly id: number
    readonly tenant_id: number | null
    readonly name: string
    readonly memory: number
    readonly use_overlay: boolean
    readonly user_storage_size: string | null
    readonly is_application: boolean
    /** Absent: the node's own. */
    readonly hypervisor?: FlavourHypervisor
  }[]
  readonly dis: readonly {
    readonly id: number
    readonly osf_id: number
    readonly path: string
    readonly version: string
    readonly blocked: boolean
  }[]
  readonly di_tags: readonly { readonly di_id: number; readonly tag: string; readonly fixed: boolean }[]
  readonly vms: readonly {
    readonly id: number
    readonly name: string
    readonly user_id: number
    readonly osf_id: number
    readonly di_tag: string
    readonly ip: string | null
    readonly blocked: boolean
  }[]
  readonly properties: readonly {
    readonly owner: 'user' | 'vm' | 'osf' | 'di'
    readonly id: number
    readonly key: string
    readonly value: string
  }[]
  readonly configs: readonly {
    readonly tenant_id: number | null
    readonly key: string
    readonly value: string
  }[]
  readonly hosts: readonly { readonly name: string }[]
  readonly administrators: readonly { readonly name: string }[]
}
