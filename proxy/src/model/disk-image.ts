/** What a disk image is on the disk: this machine's own system, a folder, or a tar archive of one. */
export const DISK_IMAGE_KINDS = ['instant', 'directory', 'tarball'] as const
export type DiskImageKind = (typeof DISK_IMAGE_KINDS)[number]
