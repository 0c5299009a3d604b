/** What a disk image is on the disk: this machine's own system, a folder, a tar archive of one, or a machine's disk. */
export const DISK_IMAGE_KINDS = ['instant', 'directory', 'tarball', 'qcow2'] as const
export type DiskImageKind = (typeof DISK_IMAGE_KINDS)[number]
