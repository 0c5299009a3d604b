import type { DiskImageKind } from './disk-image.ts'

/** What can run desktops. */
export const HYPERVISORS = ['lxc', 'kvm', 'process', 'simulated'] as const
export type HypervisorKind = (typeof HYPERVISORS)[number]
/** What a flavour may name. One that names none is run by the node's own (`vm.hypervisor`). */
export type FlavourHypervisor = Exclude<HypervisorKind, 'simulated'>

/** The node's own is never this one: a virtual machine is another kind of image, home and displays. */
export const MACHINE = 'kvm' satisfies HypervisorKind

/**
 * Whether desktops of a flavour can run an image of a kind: virtual machines have disks, all others have folders.
 * @param hypervisor what the flavour names.
 */
export function isRunnable(kind: DiskImageKind, hypervisor: FlavourHypervisor | null): boolean {
  return (kind === 'qcow2') === (hypervisor === MACHINE)
}
