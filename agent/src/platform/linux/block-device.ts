import type { run } from '@ostler/kit/run.ts'
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { comesToHold } from '@ostler/kit/poll.ts'

/** A block device as the kernel describes it. */
export interface BlockDevice {
  /** Its node, free of links. */
  readonly path: string
  /** `major:minor`. */
  readonly number: string
  readonly sysfs: string
  readonly bytes: number
  readonly readOnly: boolean
  /** Number of the partition that it is; `undefined` for a whole drive. */
  readonly partition: number | undefined
}

const KERNEL_MS = 10_000
const NODE_MS = 2_000

/**
 * Describes the block device at `path`; `undefined` when nothing is there.
 * @throws Error when something else lies there, the system's error when the kernel does not know the device.
 */
export function findBlockDevice(path: string): BlockDevice | undefined {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  if (stat === undefined) return undefined
  if (!stat.isBlockDevice()) throw new Error(`${path} is no block device`)
  const number = deviceNumber(stat.rdev)
  const sysfs = realpathSync(`/sys/dev/block/${number}`)
  const partition = readIn(sysfs, 'partition')
  return {
    path: realpathSync(path),
    number,
    sysfs,
    bytes: Number(readIn(sysfs, 'size') ?? 0) * 512, // the kernel counts in these, whatever the drive has
    readOnly: readIn(sysfs, 'ro') === '1',
    partition: partition === undefined ? undefined : Number(partition),
  }
}

/** `major:minor` of a device number as stat(2) has it. */
export function deviceNumber(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn)
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)
  return `${major}:${minor}`
}

/** Whether the kernel knows a partition of this number on the drive. */
export function hasPartition(drive: BlockDevice, number: number): boolean {
  return partitionName(drive, number) !== undefined
}

/**
 * Waits until the kernel and `/dev` have a partition that is in the drive's table.
 *
 * The kernel names it (vdb1, but loop0p1). Its node is normally there at once. Where nobody makes nodes - a `/dev` that
 * is an ordinary folder, without udev - we make it, beside the drive's: `/run` is mounted `nodev` on most systems, and
 * a node does not work there.
 *
 * @throws Error when the kernel does not have it in 10 s, or `run`'s when the node cannot be made.
 */
export async function openPartition(
  drive: BlockDevice,
  number: number,
  run: Run,
  signal?: AbortSignal,
): Promise<BlockDevice> {
  await comesToHold(() => hasPartition(drive, number) || signal?.aborted === true, KERNEL_MS, 20)
  signal?.throwIfAborted()
  const name = partitionName(drive, number)
  const numbers = name === undefined ? undefined : readIn(join(drive.sysfs, name), 'dev')
  if (name === undefined || numbers === undefined)
    throw new Error(`the kernel does not show partition ${number} of ${drive.path}`)
  const path = join(dirname(drive.path), name)
  const hasNode = (): boolean => {
    const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stat?.isBlockDevice() === true && deviceNumber(stat.rdev) === numbers
  }
  if (!(await comesToHold(hasNode, NODE_MS, 20)))
    await run('mknod', ['--mode=0600', path, 'b', ...numbers.split(':')])
  const partition = findBlockDevice(path)
  if (partition === undefined) throw new Error(`${path} has vanished`)
  return partition
}

type Run = typeof run

function partitionName(drive: BlockDevice, number: number): string | undefined {
  return readdirSync(drive.sysfs).find(
    (name) =>
      name.startsWith(basename(drive.sysfs)) &&
      readIn(join(drive.sysfs, name), 'partition') === String(number),
  )
}

/** An attribute that the kernel shows as a file; `undefined` when it has none, or has just lost it. */
function readIn(sysfs: string, attribute: string): string | undefined {
  try {
    return readFileSync(join(sysfs, attribute), 'utf8').trim()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENODEV') return undefined
    throw error
  }
}
