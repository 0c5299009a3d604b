/** What the header of a qcow2 image says that matters to us (docs/interop/qcow2 of QEMU). */
export interface Qcow2Header {
  /** Bytes of the disk that a guest sees. */
  readonly size: number
}

/** So much of a file is read to judge it; no image is shorter. */
export const HEADER_BYTES = 512

const MAGIC = 0x514649fb // QFI and 0xfb
const DATA_ELSEWHERE = 1n << 2n
/** Dirty (repaired on opening), corrupt, data elsewhere, compression type, wide entries. */
const KNOWN_FEATURES = 0b11111n
const CORRUPT = 1n << 1n
/** 64 TiB; QEMU itself takes more, but no desktop does. */
const MAX_SIZE = 1n << 46n

/**
 * Reads a header. Nothing of the image but these bytes is looked at, and by no program.
 * @throws Error with a reason when it is no qcow2 image, or one that needs other files than itself: those would be
 *   files of the node.
 */
export function readQcow2Header(head: Buffer): Qcow2Header {
  if (head.length < HEADER_BYTES || head.readUInt32BE(0) !== MAGIC) throw new Error('it is no qcow2 image')
  const version = head.readUInt32BE(4)
  if (version !== 2 && version !== 3) throw new Error(`it is a qcow2 image of the unknown version ${version}`)
  if (head.readBigUInt64BE(8) !== 0n)
    throw new Error('it has a backing file; flatten it: qemu-img convert -O qcow2 IMAGE FLAT')
  if (head.readUInt32BE(32) !== 0) throw new Error('it is encrypted')
  const features = version === 3 ? head.readBigUInt64BE(72) : 0n
  if ((features & DATA_ELSEWHERE) !== 0n) throw new Error('its data is in another file')
  if ((features & CORRUPT) !== 0n)
    throw new Error('it is marked as corrupt; try: qemu-img check -r all IMAGE')
  if ((features & ~KNOWN_FEATURES) !== 0n) throw new Error('it needs features of a newer QEMU')
  const clusterBits = head.readUInt32BE(20)
  if (clusterBits < 9 || clusterBits > 21) throw new Error(`its clusters have 2^${clusterBits} bytes`)
  const size = head.readBigUInt64BE(24)
  if (size === 0n || size > MAX_SIZE) throw new Error(`it is a disk of ${size} bytes`)
  return { size: Number(size) }
}
