import { Fault } from '@ostler/contract/fault.ts'
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asRootOfFiles, step } from './apart.ts'

/** Where on a disk its system begins; inside/with-disk has it, too. */
export const FIRST_PARTITION = 2 ** 20
const SECTOR = 512
/** The first sector's part that is a program. */
const BOOT_CODE = 440
/** What GRUB of Debian 12 does not read yet. */
const WITHOUT = '^metadata_csum_seed,^orphan_file'

/** Programs that a disk needs, and the Debian packages that bring them. */
export const DISK_PROGRAMS: Readonly<Record<string, string>> = {
  mke2fs: 'e2fsprogs',
  sfdisk: 'fdisk',
  'qemu-img': 'qemu-utils',
}

/**
 * Makes the disk of a machine out of the tarball of its system, as qcow2, for a BIOS. Nothing is mounted: the file system is written
 * as it comes into being. The loader is the system's own; in front of the first partition it finds its second part.
 *
 * @param megabytes of the disk as its machine sees it; the file is as large as its contents.
 * @throws RunError, Fault `build.failed` for a system without a boot loader.
 */
export async function diskOf(
  system: string,
  work: string,
  megabytes: number,
  signal: AbortSignal,
): Promise<string> {
  const tree = join(work, 'tree')
  mkdirSync(tree)
  const asRoot = asRootOfFiles()
  // Devices are made by the kernel of the machine, and whoever is not root cannot make any.
  const unpack = [
    'tar',
    '--extract',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=*',
    '--exclude=./dev/*',
  ]
  await step([...asRoot, ...unpack, `--file=${system}`, `--directory=${tree}`], { signal })
  const disk = join(work, 'disk.img')
  writeFileSync(disk, bootRegion(tree))
  truncateSync(disk, megabytes * 2 ** 20)
  await step(['sfdisk', '--quiet', disk], { signal, input: `${FIRST_PARTITION / SECTOR},,83,*\n` })
  const size = `${megabytes * 1024 - FIRST_PARTITION / 1024}k`
  const where = ['-E', `offset=${FIRST_PARTITION}`, '-d', tree, disk, size]
  await step([...asRoot, 'mke2fs', '-q', '-t', 'ext4', '-O', WITHOUT, '-L', 'system', ...where], { signal })
  const image = join(work, 'disk.qcow2')
  await step(['qemu-img', 'convert', '-O', 'qcow2', disk, image], { signal })
  return image
}

/** Everything in front of the first partition: the loader's two parts; the table comes later. */
function bootRegion(tree: string): Buffer {
  const region = Buffer.alloc(FIRST_PARTITION)
  const [first, second] = ['usr/lib/grub/i386-pc/boot.img', 'boot/core.img'].map((place) => {
    try {
      return readFileSync(join(tree, place))
    } catch (cause) {
      const reason = `the system has no ${place}`
      throw new Fault('build.failed', { step: 'making the disk', reason, log: 'this sentence' }, { cause })
    }
  })
  first?.copy(region, 0, 0, BOOT_CODE)
  // The loader's first part looks for the second one in the second sector unless it was told otherwise.
  second?.copy(region, SECTOR)
  return region
}
