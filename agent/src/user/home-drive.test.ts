import { Fault } from '@ostler/contract/fault.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { createHash, randomBytes } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { mountOf, mounts } from '../platform/linux/mount-table.ts'
import { explainHomeError } from './home-folder.ts'
import { type HomeDriveSettings, mountHomes } from './home-drive.ts'

const MIB = 1 << 20
type Run = typeof run

let folder: string
let homes: string
const attached: { loop: string; image: string }[] = []

beforeAll(async () => {
  const programs = ['losetup', 'sfdisk', 'partx', 'wipefs', 'blkid', 'mkfs.ext4', 'mkfs.xfs', 'mkfs.btrfs']
  for (const program of programs)
    await run(program, ['--version']).catch(async () =>
      run(program, ['-V']).catch((error: unknown) => {
        throw new Error(`these tests need ${program}; "npm test" installs it`, { cause: error })
      }),
    )
  if (process.getuid?.() !== 0) throw new Error('these tests attach loop devices and mount: run them as root')
})

beforeEach(() => {
  // Beside the root, because homes count as mounted when they are on another filesystem.
  const place = mountOf('/var/tmp').id === mountOf('/').id ? '/var/tmp' : '/'
  folder = mkdtempSync(join(place, 'ostler-home-drive-'))
  homes = join(folder, 'homes')
})

afterEach(async () => {
  for (const { point } of [...mounts()].reverse())
    if (point.startsWith(folder)) await run('umount', [point]).catch(() => run('umount', ['--lazy', point]))
  for (const { loop } of attached.splice(0).reverse()) await detach(loop)
  rmSync(folder, { recursive: true })
})

/** Attaches a drive of zeros; of an image that is there already when it is named. */
async function attach(
  options: { bytes?: number; image?: string; readOnly?: boolean; partscan?: boolean; below?: string } = {},
): Promise<string> {
  const image = options.image ?? join(options.below ?? folder, `${attached.length}.img`)
  const fd = openSync(image, 'a')
  if (options.image === undefined) ftruncateSync(fd, options.bytes ?? 64 * MIB)
  closeSync(fd)
  const flags = [
    ...(options.readOnly === true ? ['--read-only'] : []),
    ...(options.partscan === true ? ['--partscan'] : []),
  ]
  let loop = ''
  // Of two programs that find the same free device, the kernel serves one.
  const isAttached = (): Promise<boolean> =>
    run('losetup', ['--find', '--show', ...flags, image]).then(
      ({ stdout }) => (loop = stdout.trim()) !== '',
      () => false,
    )
  if (!(await comesToHold(isAttached, 30_000, 200))) throw new Error('no loop device was free for 30 s')
  attached.push({ loop, image })
  return loop
}

async function detach(loop: string): Promise<void> {
  const known = attached.findIndex((each) => each.loop === loop)
  if (known >= 0) attached.splice(known, 1)
  // The kernel keeps the partitions of a loop device otherwise.
  if (existsSync(`${sysfsOf(loop)}/${basename(loop)}p1`)) await run('partx', ['--delete', '--nr', '1', loop])
  await run('losetup', ['--detach', loop])
  const isFree = (): boolean => !existsSync(`${sysfsOf(loop)}/loop/backing_file`)
  if (!(await comesToHold(isFree, 30_000, 50))) throw new Error(`${loop} is still in use`)
}

function sysfsOf(loop: string): string {
  return `/sys/block/${basename(loop)}`
}

function imageOf(loop: string): string {
  const found = attached.find((each) => each.loop === loop)
  if (found === undefined) throw new Error(`${loop} is not attached`)
  return found.image
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

function readAt(file: string, at: number, length: number): Buffer {
  const fd = openSync(file, 'r')
  const bytes = Buffer.alloc(length)
  readSync(fd, bytes, 0, length, at)
  closeSync(fd)
  return bytes
}

/** Changes an image before it is attached again. */
function writeAt(file: string, at: number, bytes: Uint8Array): void {
  const fd = openSync(file, 'r+')
  writeSync(fd, bytes, 0, bytes.length, at)
  closeSync(fd)
}

function settings(drive: string, more: Partial<HomeDriveSettings> = {}): HomeDriveSettings {
  return { drive, filesystem: 'ext4', homes, ...more }
}

async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const error: unknown = await promise.then(
    (value) => new Error(`it succeeded: ${String(value)}`),
    (error: unknown) => error,
  )
  if (error instanceof Fault) return error
  throw new Error('it did not fail with a Fault', { cause: error })
}

function isMounted(): boolean {
  return mounts().some(({ point }) => point === homes)
}

/** A drive with a finished home in which ann has a file; not mounted. */
async function attachHome(more: Partial<HomeDriveSettings> = {}): Promise<string> {
  const drive = await attach()
  await mountHomes(settings(drive, more), run)
  writeFileSync(join(homes, 'letter'), 'dear ann')
  await run('umount', [homes])
  return drive
}

/** Attaches the image again, as after a new start of the desktop, with another beginning if one is given. */
async function attachAgain(loop: string, change: (image: string) => void = () => {}): Promise<string> {
  const image = imageOf(loop)
  await detach(loop)
  change(image)
  return attach({ image })
}

/** `run` that does something before (or instead of) programs of one name. */
function before(program: string, act: (args: readonly string[]) => Promise<unknown>): Run {
  return async (command, args, options) => {
    if (command === program) await act(args)
    return run(command, args, options)
  }
}

describe('a drive that is not there', () => {
  test.each(['', '/dev/no-such-drive'])('%j: the homes stay on the root', async (drive) => {
    expect(await mountHomes(settings(drive), run)).toBe('absent')
    expect(isMounted()).toBe(false)
  })

  test('a file is no drive', async () => {
    const fault = await faultOf(mountHomes(settings(import.meta.filename), run))
    expect(fault.code).toBe('home.failed')
    expect(fault.message).toContain('is no block device')
  })

  test('homes that are mounted already are left alone, and so is the drive', async () => {
    const drive = await attach()
    mkdirSync(homes)
    await run('mount', ['-t', 'tmpfs', 'tmpfs', homes])
    expect(await mountHomes(settings(drive), run)).toBe('already')
    expect((await run('wipefs', ['--no-act', '--noheadings', drive])).stdout).toBe('')
  })
})

describe('a blank drive', () => {
  test.each([
    ['ext4', 64 * MIB],
    ['ext3', 64 * MIB],
    ['xfs', 400 * MIB],
    ['btrfs', 256 * MIB],
  ])('is partitioned, formatted with %s and mounted', async (filesystem, bytes) => {
    const drive = await attach({ bytes })
    expect(await mountHomes(settings(drive, { filesystem }), run)).toBe('mounted')
    const { stdout } = await run('findmnt', ['-n', '-o', 'SOURCE,FSTYPE,OPTIONS', homes])
    expect(stdout).toMatch(new RegExp(`^${drive}p1 +${filesystem} +rw,nosuid,nodev,`))
    expect(statSync(homes)).toMatchObject({ uid: 0, gid: 0 })
    expect(statSync(homes).mode & 0o7777).toBe(0o755)
    const table = (await run('sfdisk', ['--dump', drive])).stdout
    expect(table).toContain('label: gpt')
    expect(table).toContain('name="ostler-home"')
    expect(await mountHomes(settings(drive, { filesystem }), run)).toBe('already')
    writeFileSync(join(homes, 'letter'), 'dear ann')
    await run('umount', [homes])
    expect(await mountHomes(settings(drive, { filesystem }), run)).toBe('mounted')
    expect(readFileSync(join(homes, 'letter'), 'utf8')).toBe('dear ann')
  })

  test('is formatted once when two agents come at the same time', async () => {
    const drive = await attach()
    let formatted = 0
    const counting = before('mkfs.ext4', async () => ++formatted)
    const both = [mountHomes(settings(drive), counting), mountHomes(settings(drive), counting)]
    expect((await Promise.all(both)).sort()).toEqual(['already', 'mounted'])
    expect(formatted).toBe(1)
    expect(mounts().filter(({ point }) => point === homes)).toHaveLength(1)
  })

  test('is mounted also where the kernel reads partition tables by itself', async () => {
    const drive = await attach({ partscan: true })
    expect(await mountHomes(settings(drive), run)).toBe('mounted')
    await run('umount', [homes])
    const image = imageOf(drive)
    await detach(drive)
    expect(await mountHomes(settings(await attach({ image, partscan: true })), run)).toBe('mounted')
  })

  test('is partitioned anew where the kernel remembers a partition of an earlier drive', async () => {
    const drive = await attach()
    await run('addpart', [drive, '1', '4096', '8192'])
    expect(await mountHomes(settings(drive), run)).toBe('mounted')
    expect(readFileSync(`${sysfsOf(drive)}/${basename(drive)}p1/start`, 'utf8')).toBe('2048\n')
  })

  test('may be named by a link', async () => {
    const drive = await attach()
    const link = join(folder, 'by-id')
    symlinkSync(drive, link)
    expect(await mountHomes(settings(link), run)).toBe('mounted')
    expect(mountOf(homes).source).toBe(`${drive}p1`)
  })

  test('gets a node for its partition where nobody else makes one', async () => {
    const drive = await attach()
    const node = join(folder, 'drive')
    await run('mknod', [
      node,
      'b',
      ...readFileSync(`${sysfsOf(drive)}/dev`, 'utf8')
        .trim()
        .split(':'),
    ])
    expect(await mountHomes(settings(node), run)).toBe('mounted')
    const made = statSync(join(folder, `${basename(drive)}p1`))
    expect(made.isBlockDevice()).toBe(true)
    expect(made.mode & 0o777).toBe(0o600)
  })

  test('that is too small is told so and stays blank', async () => {
    const drive = await attach({ bytes: 8 * MIB })
    const fault = await faultOf(mountHomes(settings(drive), run))
    expect(fault.message).toContain('8388608 bytes')
    expect((await run('wipefs', ['--no-act', '--noheadings', drive])).stdout).toBe('')
  })

  test('that is too small for its filesystem is told so in the words of mkfs', async () => {
    const drive = await attach()
    const fault = await faultOf(mountHomes(settings(drive, { filesystem: 'xfs' }), run))
    expect(fault.code).toBe('home.failed')
    expect(fault.message).toMatch(/mkfs.xfs exited with 1: .*300MB/)
    expect(isMounted()).toBe(false)
  })

  test('that is read-only is told so and stays blank', async () => {
    const drive = await attach({ readOnly: true })
    const clean = sha256(imageOf(drive))
    expect((await faultOf(mountHomes(settings(drive), run))).code).toBe('home.readOnly')
    expect(sha256(imageOf(drive))).toBe(clean)
  })

  test.each(['no-such-fs', '../../bin/sh', ''])('is not formatted with %j', async (filesystem) => {
    const drive = await attach()
    const fault = await faultOf(mountHomes(settings(drive, { filesystem }), run))
    expect(fault.code).toBe('config.invalid')
  })

  test('is not formatted with a filesystem that has no mkfs', async () => {
    const fault = await faultOf(mountHomes(settings(await attach(), { filesystem: 'nosuchfs' }), run))
    expect(fault.message).toContain('mkfs.nosuchfs could not be started')
  })
})

describe('a drive with somebody else’s data is refused and stays as it is', () => {
  const fill =
    (at: number, bytes: Uint8Array) =>
    (drive: string): void =>
      writeAt(drive, at, bytes)

  const script = (text: string) => (drive: string) =>
    run('sfdisk', ['--quiet', '--no-tell-kernel', drive], { input: text })

  const partitionAs = (name: string) => async (drive: string) => {
    await script(`label: gpt\nname=${name}\n`)(drive)
    await run('partx', ['--update', drive])
  }

  test.each<[string, (drive: string) => unknown, string]>([
    ['ext4 without a table', (drive) => run('mkfs.ext4', ['-q', drive]), 'ext4 on the whole drive'],
    ['btrfs without a table', (drive) => run('mkfs.btrfs', ['-q', drive]), 'btrfs on the whole drive'],
    ['swap', (drive) => run('mkswap', [drive]), 'swap on the whole drive'],
    ['an LVM volume', fill(512, lvmLabel()), 'LVM2_member on the whole drive'],
    ['a LUKS header', fill(0, luksHeader()), 'crypto_LUKS on the whole drive'],
    ['a RAID member', fill(4096, raidSuperblock()), 'linux_raid_member on the whole drive'],
    ['random bytes', fill(0, randomBytes(MIB)), ''],
    ['one byte in the first MiB', fill(700_000, Buffer.of(1)), 'data of no known format'],
    ['one byte at the end', fill(160 * MIB - 1, Buffer.of(1)), 'data of no known format'],
    [
      'a filesystem whose table was lost',
      (drive) => run('mkfs.ext4', ['-q', '-E', 'offset=1048576', drive, '100M']),
      'data of no known format',
    ],
    ['an MBR with a partition', script('label: dos\n,\n'), '(dos) whose partition 1 has no known filesystem'],
    ['an MBR without a partition', script('label: dos\n'), '(dos) without partition 1'],
    ['a GPT without a partition', script('label: gpt\n'), '(gpt, PMBR) without partition 1'],
    [
      'a GPT with a foreign name',
      script('label: gpt\nname=data\n'),
      '(gpt, PMBR) whose partition 1 has no known filesystem',
    ],
    [
      'our name with somebody’s swap',
      async (drive) => {
        await partitionAs('ostler-home-new')(drive)
        await run('mkswap', [`${drive}p1`])
      },
      'whose partition 1 has swap and not ext4',
    ],
    [
      'our name with two signatures',
      async (drive) => {
        await partitionAs('ostler-home-new')(drive)
        await run('mkfs.ext4', ['-q', `${drive}p1`])
        const superblock = readAt(`${drive}p1`, 1024, 1024)
        await run('mkfs.btrfs', ['-q', '--force', `${drive}p1`])
        writeAt(`${drive}p1`, 1024, superblock)
      },
      'whose partition 1 has several signatures',
    ],
    [
      'a home of another type',
      async (drive) => {
        await mountHomes(settings(drive, { filesystem: 'ext3' }), run)
        await run('umount', [homes])
      },
      'whose partition 1 has ext3 and not ext4',
    ],
  ])('%s', async (_, spoil, found) => {
    let drive = await attach({ bytes: 160 * MIB })
    await spoil(drive)
    const image = imageOf(drive)
    await detach(drive)
    const original = sha256(image)
    drive = await attach({ image })
    const fault = await faultOf(mountHomes(settings(drive), run))
    expect(fault.code).toBe('home.foreign')
    expect(fault.detail['found']).toContain(found)
    expect(isMounted()).toBe(false)
    await detach(drive)
    expect(sha256(image)).toBe(original)
  })

  test('a partition that only the kernel remembers is none', async () => {
    const drive = await attach()
    await script('label: gpt\n')(drive)
    await run('addpart', [drive, '1', '4096', '8192'])
    const fault = await faultOf(mountHomes(settings(drive), run))
    expect(fault.message).toContain('that the kernel does not agree with')
  })

  test('a partition is no drive', async () => {
    const drive = await attachHome()
    const fault = await faultOf(mountHomes(settings(`${drive}p1`), run))
    expect(fault.message).toContain('it is partition 1 of a drive')
  })
})

describe('a drive that has a home', () => {
  test('is mounted when QVD has made it', async () => {
    const drive = await attach()
    await run('sfdisk', ['--quiet', '--no-tell-kernel', drive], { input: ',\n' })
    await run('partx', ['--update', drive])
    await run('mkfs.ext4', ['-q', `${drive}p1`])
    expect(await mountHomes(settings(drive), run)).toBe('mounted')
    expect(await attachedTable(drive)).toContain('label: dos')
  })

  test('is not formatted again when its filesystem is lost', async () => {
    const drive = await attachAgain(await attachHome(), (image) =>
      writeAt(image, MIB + 1024, Buffer.alloc(1024)),
    )
    const original = sha256(imageOf(drive))
    const fault = await faultOf(mountHomes(settings(drive), run))
    expect(fault.code).toBe('home.damaged')
    const image = imageOf(drive)
    await detach(drive)
    expect(sha256(image)).toBe(original)
  })

  test('is mended by fsck when that may be done without asking', async () => {
    const drive = await attachHome()
    await run('debugfs', ['-w', '-R', 'set_super_value free_inodes_count 3', `${drive}p1`])
    await run('debugfs', ['-w', '-R', 'set_super_value state 2', `${drive}p1`])
    let checked: unknown
    const watching: Run = (command, args, options) => {
      const ended = run(command, args, options)
      if (command === 'fsck.ext4') ended.catch((error: unknown) => (checked = error))
      return ended
    }
    expect(await mountHomes(settings(drive), watching)).toBe('mounted')
    expect(checked).toMatchObject({ exitCode: 1 })
    expect(readFileSync(join(homes, 'letter'), 'utf8')).toBe('dear ann')
  })

  test('is not mounted when fsck would have to ask', async () => {
    const drive = await attachHome()
    await run('debugfs', ['-w', '-R', 'clri <2>', `${drive}p1`])
    await run('debugfs', ['-w', '-R', 'set_super_value state 2', `${drive}p1`])
    const fault = await faultOf(mountHomes(settings(drive), run))
    expect(fault.code).toBe('home.damaged')
    expect(fault.message).toContain('RUN fsck MANUALLY')
    expect(isMounted()).toBe(false)
  })

  test('is not mounted when it is read-only, and stays as it is', async () => {
    const writable = await attachHome()
    const image = imageOf(writable)
    await detach(writable)
    const original = sha256(image)
    const drive = await attach({ image, readOnly: true })
    expect((await faultOf(mountHomes(settings(drive), run))).code).toBe('home.readOnly')
    expect(isMounted()).toBe(false)
    expect(sha256(image)).toBe(original)
  })

  test('does not stay mounted when it was mounted read-only', async () => {
    const drive = await attachHome()
    const falling: Run = (command, args, options) =>
      run(
        command,
        command === 'mount' ? args.map((arg) => (arg === '--rw' ? '--read-only' : arg)) : args,
        options,
      )
    expect((await faultOf(mountHomes(settings(drive), falling))).code).toBe('home.readOnly')
    expect(isMounted()).toBe(false)
  })

  test('does not stay mounted when its root belongs to somebody', async () => {
    const drive = await attachHome()
    const giving: Run = async (command, args, options) => {
      const result = await run(command, args, options)
      if (command === 'mount') chownSync(homes, 4711, 0)
      return result
    }
    const fault = await faultOf(mountHomes(settings(drive), giving))
    expect(fault.code).toBe('home.owner')
    expect(fault.message).toContain('user 4711')
    expect(isMounted()).toBe(false)
  })

  test('that is full says so when a home is made, and keeps what it has', async () => {
    await mountHomes(settings(await attach({ bytes: 20 * MIB })), run)
    writeFileSync(join(homes, 'letter'), 'dear ann')
    const error = fillUp(homes)
    const fault = explainHomeError(error, homes)
    expect(fault?.code).toBe('home.full')
    expect(fault?.message).toContain(homes)
    const said: unknown = await run('mkdir', [join(homes, 'bob')]).catch((error: unknown) => error)
    expect(explainHomeError(said, homes)?.code).toBe('home.full')
    expect(readFileSync(join(homes, 'letter'), 'utf8')).toBe('dear ann')
  })
})

describe('an agent that ended half-way', () => {
  const dying = (): Promise<never> => Promise.reject(new Error('the agent is gone'))

  test.each(['partx', 'mkfs.ext4', 'mount'])('before %s: the next one goes on there', async (program) => {
    const drive = await attach()
    await faultOf(mountHomes(settings(drive), before(program, dying)))
    expect(isMounted()).toBe(false)
    const again = await attachAgain(drive)
    expect(await mountHomes(settings(again), run)).toBe('mounted')
    expect(await attachedTable(again)).toContain('name="ostler-home"')
  })

  test('between mkfs and the name: the filesystem is taken as it is', async () => {
    const drive = await attach()
    const unnamed = before('sfdisk', (args) => (args.includes('--part-label') ? dying() : Promise.resolve()))
    await faultOf(mountHomes(settings(drive), unnamed))
    const again = await attachAgain(drive)
    const noFormat = before('mkfs.ext4', () => Promise.reject(new Error('it formats again')))
    expect(await mountHomes(settings(again), noFormat)).toBe('mounted')
    expect(await attachedTable(again)).toContain('name="ostler-home"')
  })

  test('inside mkfs, before it wrote the superblock: it is formatted', async () => {
    const drive = await attach()
    const unnamed = before('sfdisk', (args) => (args.includes('--part-label') ? dying() : Promise.resolve()))
    await faultOf(mountHomes(settings(drive), unnamed))
    const again = await attachAgain(drive, (image) => writeAt(image, MIB + 1024, Buffer.alloc(1024)))
    expect(await mountHomes(settings(again), run)).toBe('mounted')
  })

  test.each([0, 2, 5, 10, 20, 40])('inside mkfs, %i ms after its start', async (ms) => {
    const drive = await attach({ bytes: 2048 * MIB })
    const killed: Run = (command, args, options) =>
      run(command, args, command === 'mkfs.ext4' ? { ...options, timeoutMs: ms } : options)
    // A fast machine may be done by then.
    const outcome = await mountHomes(settings(drive), killed).catch((error: unknown) => error)
    if (outcome === 'mounted') await run('umount', [homes])
    else expect((outcome as Fault).code).toBe('home.failed')
    expect(isMounted()).toBe(false)
    expect(await mountHomes(settings(drive), run)).toBe('mounted')
    await run('umount', [homes])
    await run('fsck.ext4', ['-f', '-n', `${drive}p1`])
  })

  test('because it was told to: nothing is mounted and nobody else is kept out', async () => {
    const drive = await attach()
    const abort = new AbortController()
    const stopping = before('mkfs.ext4', async () => abort.abort(new Error('the desktop stops')))
    await expect(mountHomes(settings(drive, { signal: abort.signal }), stopping)).rejects.toThrow(
      'the desktop stops',
    )
    expect(isMounted()).toBe(false)
    expect(await mountHomes(settings(drive), run)).toBe('mounted')
  })
})

describe('a drive that vanishes', () => {
  test.each(['mkfs.ext4', 'mount'])('before %s is a fault that says what was seen', async (program) => {
    const drive = await attach()
    const vanishing = before(program, () => run('partx', ['--delete', '--nr', '1', drive]))
    const fault = await faultOf(mountHomes(settings(drive), vanishing))
    expect(fault.code).toBe('home.failed')
    expect(fault.message).toMatch(new RegExp(`${program} exited with .*${drive}p1`))
    expect(isMounted()).toBe(false)
    expect(await mountHomes(settings(drive), run)).toBe('mounted')
  })

  test('with homes on it loses none of them', async () => {
    const drive = await attachHome()
    const vanishing = before('mount', () => run('partx', ['--delete', '--nr', '1', drive]))
    expect((await faultOf(mountHomes(settings(drive), vanishing))).code).toBe('home.failed')
    expect(isMounted()).toBe(false)
    expect(await mountHomes(settings(await attachAgain(drive)), run)).toBe('mounted')
    expect(readFileSync(join(homes, 'letter'), 'utf8')).toBe('dear ann')
  })

  test('into write errors while it is formatted is a fault, and is finished when it is well again', async () => {
    // A backing file that cannot grow: the loop device answers writes with real I/O errors.
    const below = join(folder, 'small')
    mkdirSync(below)
    await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', below])
    const drive = await attach({ below })
    const fault = await faultOf(mountHomes(settings(drive), run))
    expect(fault.code).toBe('home.failed')
    expect(fault.message).toContain('mkfs.ext4')
    expect(isMounted()).toBe(false)
    await run('mount', ['-o', 'remount,size=128m', below])
    const image = imageOf(drive)
    await detach(drive)
    expect(await mountHomes(settings(await attach({ image })), run)).toBe('mounted')
    await run('umount', [homes])
    for (const { loop } of [...attached]) await detach(loop)
  })
})

async function attachedTable(drive: string): Promise<string> {
  return (await run('sfdisk', ['--dump', drive])).stdout
}

/** Makes files, then folders, until nothing fits any more; returns the error of the last folder. */
function fillUp(place: string): unknown {
  for (let size = MIB; size >= 1024; size /= 2) {
    try {
      for (;;) writeFileSync(join(place, `fill-${size}-${readdirSync(place).length}`), Buffer.alloc(size))
    } catch {
      // smaller ones may still fit
    }
  }
  try {
    for (let number = 0; ; number++) mkdirSync(join(place, `folder-${number}`))
  } catch (error) {
    return error
  }
}

/** The header of a LUKS volume, version 1. */
function luksHeader(): Buffer {
  const header = Buffer.alloc(592)
  header.write('LUKS\xba\xbe\x00\x01', 'latin1')
  header.write('aes', 8)
  header.write('xts-plain64', 40)
  header.write('sha256', 72)
  header.write('12345678-1234-1234-1234-123456789abc', 168)
  return header
}

/** The label of an LVM physical volume, with the checksum that LVM asks for. */
function lvmLabel(): Buffer {
  const label = Buffer.alloc(512)
  label.write('LABELONE')
  label.writeBigUInt64LE(1n, 8)
  label.writeUInt32LE(32, 20)
  label.write('LVM2 001', 24)
  label.write('0123456789abcdef0123456789abcdef', 32)
  label.writeUInt32LE(~crc32(label.subarray(20), ~0xf597a6cf >>> 0) >>> 0, 16)
  return label
}

/** The superblock of a Linux RAID, version 1.2. */
function raidSuperblock(): Buffer {
  const superblock = Buffer.alloc(512)
  superblock.writeUInt32LE(0xa92b4efc, 0)
  superblock.writeUInt32LE(1, 4)
  superblock.writeBigUInt64LE(8n, 144)
  return superblock
}
