/** What the program says when everything went well. */
export const PROBE_WORD = 42

/** The machine code of boot-probe.S. */
const PROGRAM =
  'fafcea077c000031c08ed88ec08ed0bc007cbf0010b90018f3abc70600100320c70600200330c70600308300bf0050b9' +
  '0001f3abc7066050c97cc70662500800c7066450008e0f0116f07c0f011ef67c66b8a00000000f22e066b8001000000f' +
  '22d866b9800000c00f320d00010f300f20c0660d010000800f22c0ea807c0800b8100000008ed88ed0bc007c000031db' +
  'bde80300000f0b0f20d80f22d8ffcd75f4bf00000100b900000100b801000000f348ab81fbe80300007504b02aeb02b0' +
  '0166baf400eef4ebfdffc3488304240248cf660f1f440000000000000000000000000000009a20000000000000920000' +
  '1700d87c0000ff0300500000'

const SECTOR_BYTES = 512
/** A BIOS does not start from a disk that is smaller than a cylinder. */
const DISK_BYTES = 1 << 20
/** What a BIOS looks for at the end of a sector before it starts it. */
const BOOTABLE = 0xaa55

/** A disk whose boot sector tries what a system needs of a processor, and says `PROBE_WORD` to the port 0xf4. */
export function probeDisk(): Buffer {
  const disk = Buffer.alloc(DISK_BYTES)
  disk.write(PROGRAM, 'hex')
  disk.writeUInt16LE(BOOTABLE, SECTOR_BYTES - 2)
  return disk
}
