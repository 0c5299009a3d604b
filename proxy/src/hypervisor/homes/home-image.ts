import { Fault } from '@ostler/contract/fault.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  realpathSync,
  statSync,
  truncateSync,
} from 'node:fs'

/** What the owner of a desktop must not bring into the node: programs with others' rights, and devices. */
const OPTIONS = 'nosuid,nodev,discard'
const CHECK_MS = 600_000
const DETACH_MS = 10_000
const MB = 2 ** 20
/** e2fsck: nothing was wrong, or all of it was mended. */
const SOUND = [0, 1]
/** What these programs say first, whatever happens. */
const VERSION = /^(?:resize2fs|e2fsck|mke2fs) \d[\d.]* \(/

/** Makes an empty file system in a file, which takes no more room than what is written to it. @throws Fault `home.failed`. */
export async function makeHomeImage(file: string): Promise<void> {
  const options = ['-q', '-F', '-m', '0', '-E', 'lazy_itable_init=1,root_owner=0:0']
  try {
    await run('mkfs.ext4', [...options, file], { timeoutMs: CHECK_MS })
  } catch (cause) {
    throw failed(file, cause)
  }
}

/**
 * Mounts the file system of a home, unless it is. It is checked before; a file that is smaller than the limit grows, none ever shrinks.
 * @param limitMb megabytes.
 * @throws Fault `home.damaged`, `home.failed`.
 */
export async function mountHomeImage(file: string, mount: string, limitMb: number): Promise<void> {
  if (isMountedAt(mount)) return
  mkdirSync(mount, { recursive: true, mode: 0o700 })
  if (statSync(file).size < limitMb * MB) truncateSync(file, limitMb * MB)
  const device = await attach(file)
  try {
    const grows = sizeOfFileSystem(file) < statSync(file).size
    await check(file, device, grows)
    if (grows) await run('resize2fs', [device], { timeoutMs: CHECK_MS })
    await run('mount', ['-t', 'ext4', '-o', OPTIONS, device, mount])
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw failed(file, cause)
  } finally {
    // The device goes with the mount.
    await run('losetup', ['--detach', device]).catch(() => {})
  }
}

/**
 * Unmounts the file system of a home, if it is mounted, and waits until nobody has it: a guest that has just ended may still.
 * @throws Fault `home.failed`.
 */
export async function unmountHomeImage(file: string, mount: string): Promise<void> {
  try {
    if (isMountedAt(mount)) await run('umount', [mount])
  } catch (cause) {
    throw failed(file, cause)
  }
  const isFree = async (): Promise<boolean> =>
    !existsSync(file) || (await run('losetup', ['--associated', file])).stdout === ''
  if (!(await comesToHold(isFree, DETACH_MS, 50)))
    throw failed(file, new Error('it is unmounted here, and mounted elsewhere on this node'))
}

/**
 * Makes a home larger while it is mounted: the file, the device over it, then the file system, which its desktop sees at once. Cut short
 * anywhere, the next mount goes on with it.
 * @param limitMb megabytes; one that is larger already stays.
 * @returns false when it is not mounted on this node: the next mount makes it grow.
 * @throws Fault `home.failed`.
 */
export async function growMountedHome(file: string, limitMb: number): Promise<boolean> {
  try {
    const { stdout } = await run('losetup', [
      '--associated',
      file,
      '--list',
      '--noheadings',
      '--output',
      'NAME',
    ])
    const device = stdout.trim().split('\n')[0] ?? ''
    // One that is being checked has a device, too: nothing else may touch that.
    if (device === '' || !mounts().some(({ source }) => source === device)) return false
    if (statSync(file).size < limitMb * MB) truncateSync(file, limitMb * MB)
    await run('losetup', ['--set-capacity', device])
    await run('resize2fs', [device], { timeoutMs: CHECK_MS })
    return true
  } catch (cause) {
    throw failed(file, cause)
  }
}

/** Whether anything is mounted at a path, as the kernel says. */
export function isMountedAt(path: string): boolean {
  if (!existsSync(path)) return false
  const real = realpathSync(path)
  return mounts().some(({ point }) => point === real)
}

function mounts(): { point: string; source: string }[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ')
      return { point: unescape(before.split(' ')[4] ?? ''), source: unescape(after.split(' ')[1] ?? '') }
    })
}

/** The kernel writes blanks and the like as three octal digits. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)))
}

/** A file that is attached already is not attached once more: two mounts of one file system would destroy it. */
async function attach(file: string): Promise<string> {
  try {
    const { stdout } = await run('losetup', ['--nooverlap', '--find', '--show', file])
    return stdout.trim()
  } catch (cause) {
    throw failed(file, cause)
  }
}

async function check(file: string, device: string, whole: boolean): Promise<void> {
  try {
    await run('e2fsck', ['-p', ...(whole ? ['-f'] : []), device], { timeoutMs: CHECK_MS })
  } catch (cause) {
    if (cause instanceof RunError && cause.exitCode !== null && SOUND.includes(cause.exitCode)) return
    throw new Fault('home.damaged', { partition: file, reason: reasonOf(cause) }, { cause })
  }
}

/** Out of its superblock: blocks (offset 4) of 1024 bytes, shifted (offset 24). */
function sizeOfFileSystem(file: string): number {
  const block = Buffer.alloc(32)
  const fd = openSync(file, 'r')
  try {
    readSync(fd, block, 0, block.length, 1_024)
  } finally {
    closeSync(fd)
  }
  return block.readUInt32LE(4) * 1_024 * 2 ** (block.readUInt32LE(24) & 0xf)
}

function failed(place: string, cause: unknown): Fault {
  return new Fault('home.failed', { place, reason: reasonOf(cause) }, { cause })
}

function reasonOf(cause: unknown): string {
  if (cause instanceof RunError && cause.stderr.trim() !== '') {
    const lines = cause.stderr.trim().split('\n')
    return lines.find((line) => !VERSION.test(line)) ?? ''
  }
  return cause instanceof Error ? cause.message : String(cause)
}
