import { Fault } from '@ostler/contract/fault.ts'
import { type HypervisorKind, MACHINE } from './hypervisor-kind.ts'

/**
 * What a home is on its storage: a directory; an ext4 file system in a file, which is how one gets a size where the kernel has no
 * quota; the disk of a virtual machine.
 */
export const HOME_KINDS = ['directory', 'image', 'raw', 'qcow2'] as const
export type HomeKind = (typeof HOME_KINDS)[number]

export type HomeState = 'in use' | 'free' | 'trash'

/** The home that a desktop's present boot writes to. */
export interface Home {
  /** That of its row; of a pool's desktop, which has none, the desktop's with a minus. */
  readonly id: number
  /** Below `path.storage.homefs`. */
  readonly path: string
  readonly kind: HomeKind
  /** Megabytes that it may hold; 0: no limit. */
  readonly limitMb: number
  /** True when an earlier boot has made it: then its files must be there. */
  readonly isMade: boolean
  /** The boot that writes to it. */
  readonly epoch: number
}

/** Homes of its users lie where they lay before there were tenants, which is where QVD has them. */
const FIRST_TENANT = 1

const SUFFIXES: Readonly<Record<HomeKind, string>> = {
  directory: '',
  image: '.img',
  raw: '.raw',
  qcow2: '.qcow2',
}

/** Below `path.storage.homefs`: homes that nobody has any more. */
export const TRASH = 'trash'

/**
 * What a new home becomes.
 * @param limitMb what its flavour says; sandboxes of `process` take no notice.
 */
export function homeKind(hypervisor: HypervisorKind, limitMb: number): HomeKind {
  if (hypervisor === MACHINE) return 'raw'
  return hypervisor === 'lxc' && limitMb > 0 ? 'image' : 'directory'
}

/**
 * The usual path of a home below `path.storage.homefs`, as QVD names it (C-116). Users of two tenants may have the same login, and
 * must not get each other's. It is only where a new home is put: the row says where a home lies.
 */
export function usualHomePath(
  owner: { readonly tenantId: number; readonly login: string; readonly flavourId: number },
  kind: HomeKind,
): string {
  const folder = owner.tenantId === FIRST_TENANT ? '' : `@${owner.tenantId}/`
  return `${folder}${owner.login}-${owner.flavourId}${SUFFIXES[kind]}`
}

/** Below `path.storage.homefs`: homes of pools' desktops. No tenant's folder is called so. */
export const POOLED = '@pool'

/**
 * The home of a pool's desktop: its own, not its user's, since it runs before anybody knows whose it will be. It goes with a reset,
 * and has no row: the desktop's says all of it.
 */
export function pooledHome(desktop: {
  readonly id: number
  readonly epoch: number
  readonly hypervisor: HypervisorKind | null
  readonly flavour: { readonly homeMb: number }
}): Home {
  const { id, epoch, flavour } = desktop
  const kind = homeKind(desktop.hypervisor ?? 'lxc', flavour.homeMb)
  const limitMb = kind === 'directory' ? 0 : flavour.homeMb
  return { id: -id, path: `${POOLED}/${id}${SUFFIXES[kind]}`, kind, limitMb, isMade: false, epoch }
}

/** Of a virtual machine's disk, in megabytes, when nothing is said. It takes no room until it is used. */
const DISK_MB = 10_240

/**
 * What homes of a flavour may hold, in megabytes; 0: no limit.
 * @param said undefined: nothing was said.
 * @throws Fault `request.invalid` for a machine's disk without a size.
 */
export function homeLimit(hypervisor: HypervisorKind | null, said: number | undefined): number {
  if (hypervisor !== MACHINE) return said ?? 0
  if (said === 0)
    throw new Fault('request.invalid', {
      problem: 'user_storage_size: the home of a virtual machine is a disk, which has a size',
    })
  return said ?? DISK_MB
}
