import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { DiskRates } from '../model/disk-rates.ts'
import type { CgroupLayout } from './lxc/cgroup.ts'

/** A limit as a control group takes it: the name of its file, and a line for it. */
export type DiskLimit = readonly [file: string, line: string]

/** What is read to find disks; tests have their own. */
const KERNEL = { sys: '/sys', mounts: '/proc/self/mountinfo' } as const

/**
 * The whole disks on which folders lie, as `major:minor`: a control group limits no partition.
 * @returns the disks, and the folders that lie on none: on the network, in memory, or below a file system that hides its own.
 */
export function disksOf(
  folders: readonly string[],
  kernel: { readonly sys: string; readonly mounts: string } = KERNEL,
): { disks: readonly string[]; without: readonly string[] } {
  const found = folders.map((folder) => ({ folder, disk: diskOf(folder, kernel) }))
  return {
    disks: [...new Set(found.map(({ disk }) => disk).filter((disk) => disk !== undefined))],
    without: found.filter(({ disk }) => disk === undefined).map(({ folder }) => folder),
  }
}

/** Limits of a control group: for reading and for writing each, of every disk. Empty where nothing is limited. */
export function diskLimits(version: 1 | 2, rates: DiskRates, disks: readonly string[]): DiskLimit[] {
  const bytes = rates.kbytes === null ? null : rates.kbytes * 1024
  const limits = [
    { ...{ v1: 'read_bps', v2: 'rbps' }, most: bytes },
    { ...{ v1: 'write_bps', v2: 'wbps' }, most: bytes },
    { ...{ v1: 'read_iops', v2: 'riops' }, most: rates.iops },
    { ...{ v1: 'write_iops', v2: 'wiops' }, most: rates.iops },
  ].filter(({ most }) => most !== null)
  if (limits.length === 0) return []
  if (version === 2) {
    const words = limits.map(({ v2, most }) => `${v2}=${most}`).join(' ')
    return disks.map((disk) => ['io.max', `${disk} ${words}`])
  }
  return disks.flatMap((disk) =>
    limits.map(({ v1, most }): DiskLimit => [`blkio.throttle.${v1}_device`, `${disk} ${most}`]),
  )
}

/** Whether this machine's control groups can limit disks at all. */
function canLimitDisks({ version, hierarchies }: CgroupLayout): boolean {
  if (version === 1) return hierarchies.some((path) => basename(path) === 'blkio')
  const [root = ''] = hierarchies
  const controllers = join(root, 'cgroup.controllers')
  return existsSync(controllers) && readFileSync(controllers, 'utf8').trim().split(/\s+/).includes('io')
}

/** True when a flavour limits what its desktops read and write. */
function isLimited(rates: DiskRates | undefined): rates is DiskRates {
  return rates !== undefined && (rates.iops ?? rates.kbytes) !== null
}

/**
 * The limits of a desktop that a control group keeps.
 * @param folders where it writes, or reads from.
 */
export function groupDiskLimits(
  cgroups: CgroupLayout,
  rates: DiskRates | undefined,
  folders: readonly string[],
): DiskLimit[] {
  if (!isLimited(rates) || !canLimitDisks(cgroups)) return []
  return diskLimits(cgroups.version, rates, disksOf(folders).disks)
}

/** Which limits of a desktop's flavour do not hold here, and why, in words; `undefined`: all do. */
export function diskWarning(
  cgroups: CgroupLayout | undefined,
  rates: DiskRates | undefined,
  folders: readonly string[],
): string | undefined {
  if (!isLimited(rates)) return undefined
  if (cgroups === undefined || !canLimitDisks(cgroups))
    return 'disk_iops and disk_rate do not hold: there is no control group with an io or blkio controller'
  const { without } = disksOf(folders)
  if (without.length === 0) return undefined
  return `disk_iops and disk_rate do not hold for ${without.join(', ')}: no disk of this node is there`
}

function diskOf(
  folder: string,
  kernel: { readonly sys: string; readonly mounts: string },
): string | undefined {
  const found = statSync(folder, { throwIfNoEntry: false })
  if (found === undefined) return undefined
  const device = deviceNumber(found.dev)
  // A file system with a number of its own may still name its disk: btrfs does, NFS and tmpfs do not.
  const own = device.startsWith('0:') ? sourceOf(device, kernel.mounts) : device
  return own === undefined ? undefined : wholeDisk(own, kernel.sys)
}

/** The disk that a mount table names as the source of a file system. */
function sourceOf(device: string, mounts: string): string | undefined {
  for (const line of readFileSync(mounts, 'utf8').split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    if (before.split(' ')[2] !== device) continue
    const source = after.split(' ')[1] ?? ''
    const found = source.startsWith('/dev/') ? statSync(source, { throwIfNoEntry: false }) : undefined
    return found?.isBlockDevice() === true ? deviceNumber(found.rdev) : undefined
  }
  return undefined
}

function wholeDisk(device: string, sys: string): string | undefined {
  const entry = join(sys, 'dev/block', device)
  if (!existsSync(entry)) return undefined
  const real = realpathSync(entry)
  if (!existsSync(join(real, 'partition'))) return device
  return readFileSync(join(dirname(real), 'dev'), 'utf8').trim()
}

/** As the kernel writes it. Its numbers have 12 and 20 bits, and glibc's order in a number. */
function deviceNumber(dev: number): string {
  const wide = BigInt(dev)
  const major = ((wide >> 8n) & 0xfffn) | ((wide >> 32n) & 0xfffff000n)
  const minor = (wide & 0xffn) | ((wide >> 12n) & 0xffffff00n)
  return `${major}:${minor}`
}
