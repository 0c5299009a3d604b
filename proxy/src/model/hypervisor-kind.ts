/** What can run desktops. */
export const HYPERVISORS = ['lxc', 'kvm'] as const
export type HypervisorKind = (typeof HYPERVISORS)[number]

/** The kinds of disk images, and what runs them. */
export const IMAGE_KINDS = {
  instant: 'lxc',
  directory: 'lxc',
  tarball: 'lxc',
  qcow2: 'kvm',
} as const satisfies Record<string, HypervisorKind>
export type ImageKind = keyof typeof IMAGE_KINDS
