/** What a disk image is on the disk: this machine's own system, a folder, a tar archive of one, a squashfs, or a machine's disk. */
export const DISK_IMAGE_KINDS = ['instant', 'directory', 'tarball', 'squashfs', 'qcow2'] as const
export type DiskImageKind = (typeof DISK_IMAGE_KINDS)[number]

/** Kinds that are one file, which is unpacked before anything can run from it. */
export function isArchive(kind: DiskImageKind): boolean {
  return kind === 'tarball' || kind === 'squashfs'
}
