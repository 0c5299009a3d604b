import { Fault } from '@ostler/contract/fault.ts'
import { DeadlineExceeded } from '@ostler/kit/deadline.ts'
import { lockFile } from '@ostler/kit/file-lock.ts'
import { type Log, silentLog } from '@ostler/kit/log.ts'
import { type run, RunError } from '@ostler/kit/run.ts'
import { mkdirSync, readdirSync, realpathSync } from 'node:fs'
import { type BlockDevice, findBlockDevice, openPartition } from '../platform/linux/block-device.ts'
import { mountOf, mounts } from '../platform/linux/mount-table.ts'
import { FINISHED_NAME, inspectDrive, UNFINISHED_NAME } from './drive-content.ts'
import { explainHomeError, oneLine, verifyHomes } from './home-folder.ts'

export interface HomeDriveSettings {
  /** The whole drive, as `vma.user.home.drive` names it; empty: there is none. */
  readonly drive: string
  /** `vma.user.home.fs`, as blkid(8) and mkfs(8) name it. */
  readonly filesystem: string
  /** `vma.user.home.path`; made when it is missing. */
  readonly homes: string
  readonly signal?: AbortSignal
}

type Run = typeof run

/** Milliseconds. A check of a large drive takes minutes, and another agent may be formatting. */
const LOCK_MS = 120_000
const FORMAT_MS = 300_000
const CHECK_MS = 900_000

/** Below it the tables and the checks of this file leave no room for a filesystem. */
const SMALLEST_DRIVE = 16 << 20

/** Linux filesystem data (the type that QVD's table has, too). */
const PARTITION_TYPE = '0FC63DAF-8483-4772-8E79-3D69D8477DE4'

/** Filesystems that must be checked before they are mounted; the others do it themselves. */
const CHECKED = ['ext2', 'ext3', 'ext4']
/** Filesystems whose mkfs talks unless it is told not to. */
const QUIET = [...CHECKED, 'xfs', 'btrfs']

/**
 * Mounts the drive of the homes, and partitions and formats it when it is blank. A drive that carries anything else
 * than a home is never written to; after a failure nothing is mounted. It may be called again, also by another agent
 * at the same time, and goes on where one that died has stopped.
 *
 * @param execute kit's `run`.
 * @returns `absent` without a drive, `already` when the homes are not on the root's filesystem, else `mounted`.
 * @throws Fault `home.*`, `config.invalid` for a type that is no name, the reason of `signal` when that aborts.
 */
export async function mountHomes(
  settings: HomeDriveSettings,
  execute: Run,
  log: Log = silentLog,
): Promise<'mounted' | 'already' | 'absent'> {
  const { drive: path, filesystem, homes, signal } = settings
  if (!/^[a-z0-9]+$/.test(filesystem))
    throw new Fault('config.invalid', { problems: `vma.user.home.fs: ${filesystem} is no filesystem` })
  // A program that runs on after we have given up would write to a drive that nobody locks.
  const heeding: Run = (command, args, options) =>
    execute(command, args, { ...options, ...(signal === undefined ? {} : { signal }) })
  try {
    signal?.throwIfAborted()
    if (path === '' || findBlockDevice(path) === undefined) return 'absent'
    mkdirSync(homes, { recursive: true, mode: 0o755 })
    const point = realpathSync(homes)
    if (isElsewhere(point)) return 'already'
    // Until it is mounted: udev keeps away from a locked drive, and would have the kernel drop and remake partitions.
    using _lock = await lockFile(path, LOCK_MS, signal)
    if (isElsewhere(point)) return 'already'
    const drive = findBlockDevice(path)
    if (drive === undefined) throw new Error('it has vanished') // or homes would silently be made on the root
    const partition = await prepare(drive, filesystem, heeding, log, signal)
    if (readdirSync(point).length > 0) log.warn('the home drive hides files of the image', { homes: point })
    await mount(partition, filesystem, point, heeding, execute)
    log.info('homes mounted', { partition: partition.path, homes: point })
    return 'mounted'
  } catch (error) {
    signal?.throwIfAborted()
    throw explain(error, path)
  }
}

/** Whether the homes are on something else than the root's filesystem: ours from before, or an administrator's. */
function isElsewhere(point: string): boolean {
  return mountOf(point).id !== mountOf('/').id
}

/** Returns the partition of the homes, ready to be mounted. The caller holds the drive's lock. */
async function prepare(
  drive: BlockDevice,
  filesystem: string,
  run: Run,
  log: Log,
  signal: AbortSignal | undefined,
): Promise<BlockDevice> {
  if (drive.partition !== undefined)
    throw new Error(`it is partition ${drive.partition} of a drive; name the whole drive`)
  if (drive.bytes < SMALLEST_DRIVE)
    throw new Error(`it has ${drive.bytes} bytes, and ${SMALLEST_DRIVE} are the least`)
  const content = await inspectDrive(drive, filesystem, run, signal)
  if (content.kind === 'foreign') throw new Fault('home.foreign', { drive: drive.path, found: content.found })
  if (content.kind === 'lost')
    throw new Fault('home.damaged', {
      partition: content.partition.path,
      reason: `no ${filesystem} can be recognised where one was made`,
    })
  for (const device of content.kind === 'blank' ? [drive] : [drive, content.partition])
    if (device.readOnly) throw new Fault('home.readOnly', { place: device.path })
  switch (content.kind) {
    case 'home':
      await check(content.partition, filesystem, run)
      if (content.unnamed) await markFinished(drive, run)
      return content.partition
    case 'blank':
    case 'unformatted': {
      const partition =
        content.kind === 'unformatted' ? content.partition : await makePartition(drive, run, signal)
      const quiet = QUIET.includes(filesystem) ? ['-q'] : []
      await run(`mkfs.${filesystem}`, [...quiet, partition.path], { timeoutMs: FORMAT_MS })
      await markFinished(drive, run)
      log.info('home drive formatted', { partition: partition.path, filesystem })
      return partition
    }
  }
}

async function makePartition(
  drive: BlockDevice,
  run: Run,
  signal: AbortSignal | undefined,
): Promise<BlockDevice> {
  // It must not wipe by its own judgement: the drive is blank, or we would not be here.
  const options = ['--quiet', '--wipe', 'never', '--wipe-partitions', 'never', '--no-tell-kernel']
  await run('sfdisk', [...options, drive.path], {
    input: `label: gpt\nname=${UNFINISHED_NAME}, type=${PARTITION_TYPE}\n`,
  })
  // Not sfdisk: it makes the kernel read the whole table again, which loop devices refuse.
  await run('partx', ['--update', '--nr', '1', drive.path])
  return openPartition(drive, 1, run, signal)
}

/** From now on the partition is never formatted again. On the drive before this returns, so before any user's file. */
async function markFinished(drive: BlockDevice, run: Run): Promise<void> {
  const options = ['--quiet', '--no-reread', '--no-tell-kernel']
  await run('sfdisk', [...options, '--part-label', drive.path, '1', FINISHED_NAME])
}

async function check(partition: BlockDevice, filesystem: string, run: Run): Promise<void> {
  if (!CHECKED.includes(filesystem)) return
  try {
    await run(`fsck.${filesystem}`, ['-p', partition.path], { timeoutMs: CHECK_MS })
  } catch (error) {
    const exitCode = error instanceof RunError ? (error.exitCode ?? 0) : 0
    if (exitCode === 1) return // it has corrected something
    if ((exitCode & 4) === 0) throw error
    throw new Fault('home.damaged', { partition: partition.path, reason: oneLine(error) }, { cause: error })
  }
}

/** @param unheeding runs programs that must run although the caller has given up. */
async function mount(
  partition: BlockDevice,
  filesystem: string,
  point: string,
  run: Run,
  unheeding: Run,
): Promise<void> {
  try {
    await run('mount', [
      ...['--types', filesystem, '--rw', '--options', 'nosuid,nodev'],
      ...['--source', partition.path, '--target', point],
    ])
    const mounted = mountOf(point)
    if (!isOf(partition, mounted)) throw new Error(`${mounted.source} is mounted at ${point} instead`)
    if (!mounted.writable) throw new Fault('home.readOnly', { place: partition.path })
    verifyHomes(point)
  } catch (error) {
    const mounted = mounts().findLast((each) => each.point === point)
    if (mounted !== undefined && isOf(partition, mounted))
      // Lazily when it is busy: then it goes with its last user, and nobody new finds it.
      await unheeding('umount', [point]).catch(() => unheeding('umount', ['--lazy', point]))
    throw error
  }
}

/** Some filesystems, as btrfs, show a device number of their own making. */
function isOf(partition: BlockDevice, mounted: { device: string; source: string }): boolean {
  return mounted.device === partition.number || mounted.source === partition.path
}

function explain(error: unknown, drive: string): unknown {
  if (error instanceof Fault) return error
  const known = explainHomeError(error, drive)
  // A drive that is full before it has a home is none that we could use.
  if (known !== undefined && known.code !== 'home.full') return known
  if (error instanceof DeadlineExceeded)
    return failed('another program holds its lock for too long', drive, error)
  return failed(oneLine(error), drive, error)
}

function failed(reason: string, place: string, cause: unknown): Fault {
  return new Fault('home.failed', { place, reason }, { cause })
}
