import { type run, RunError } from '@ostler/kit/run.ts'
import { open, type FileHandle } from 'node:fs/promises'
import * as z from 'zod/mini'
import { type BlockDevice, hasPartition, openPartition } from '../platform/linux/block-device.ts'

/**
 * Names of our partition in its table (GPT). It has the first one until it is formatted and the second one for ever
 * after. So an agent that finds a partition without a filesystem knows whether it was never finished, or has lost what
 * it had and must be left alone.
 */
export const UNFINISHED_NAME = 'ostler-home-new'
export const FINISHED_NAME = 'ostler-home'

/** What lies on a home drive. */
export type DriveContent =
  /** Nothing at all: it may be partitioned. */
  | { readonly kind: 'blank' }
  /** Our table, made by an agent that ended before it had formatted the partition. */
  | { readonly kind: 'unformatted'; readonly partition: BlockDevice }
  /** A filesystem of the wanted type; `unnamed` when an agent ended before it gave the partition its name. */
  | { readonly kind: 'home'; readonly partition: BlockDevice; readonly unnamed: boolean }
  /** A partition that was a home once and has no filesystem any more. */
  | { readonly kind: 'lost'; readonly partition: BlockDevice }
  | { readonly kind: 'foreign'; readonly found: string }

/** What a partition table overwrites: the sectors before partition 1, and its copy at the end of the drive. */
const MIB = 1 << 20
const BLANK_TAIL = MIB
/** And the beginning of partition 1, where an earlier table may have had a filesystem. */
const BLANK_HEAD = 2 * MIB

/** Of these several may describe one and the same table. */
const TABLES = ['gpt', 'PMBR', 'dos']

const wipefsOutput = z.object({ signatures: z.array(z.object({ type: z.string() })) })

/**
 * Looks at what lies on a drive and writes nothing to it.
 *
 * @param filesystem the type that a home's partition must have, as blkid(8) names it.
 * @throws RunError when a program fails, the system's error when the drive cannot be read.
 */
export async function inspectDrive(
  drive: BlockDevice,
  filesystem: string,
  run: Run,
  signal?: AbortSignal,
): Promise<DriveContent> {
  const types = await signaturesOf(drive, run)
  const others = types.filter((type) => !TABLES.includes(type))
  if (others.length > 0) return foreign(`${others.join(' and ')} on the whole drive`)
  if (types.length > 0) return inspectTable(drive, types, filesystem, run, signal)
  return (await isBlank(drive)) ? { kind: 'blank' } : foreign('data of no known format')
}

type Run = typeof run

async function signaturesOf(drive: BlockDevice, run: Run): Promise<string[]> {
  const { stdout } = await run('wipefs', ['--no-act', '--json', drive.path])
  if (stdout.trim() === '') return []
  return [...new Set(wipefsOutput.parse(JSON.parse(stdout)).signatures.map(({ type }) => type))]
}

async function inspectTable(
  drive: BlockDevice,
  types: readonly string[],
  filesystem: string,
  run: Run,
  signal?: AbortSignal,
): Promise<DriveContent> {
  // The kernel may not have read the table, or remember an older one.
  await run('partx', ['--update', '--nr', '1', drive.path]).catch((error: unknown) => {
    if (!(error instanceof RunError) || error.exitCode !== 1) throw error // 1: it finds no such partition
  })
  const table = `a partition table (${types.join(', ')})`
  if (!hasPartition(drive, 1)) return foreign(`${table} without partition 1`)
  const partition = await openPartition(drive, 1, run, signal)
  const facts = await probe(partition, run)
  if (facts === 'ambivalent') return foreign(`${table} whose partition 1 has several signatures`)
  if (facts.get('PART_ENTRY_NUMBER') !== '1') return foreign(`${table} that the kernel does not agree with`)
  const name = facts.get('PART_ENTRY_SCHEME') === 'gpt' ? facts.get('PART_ENTRY_NAME') : undefined
  const type = facts.get('TYPE') ?? facts.get('PTTYPE')
  if (type === filesystem) return { kind: 'home', partition, unnamed: name === UNFINISHED_NAME }
  if (type !== undefined) return foreign(`${table} whose partition 1 has ${type} and not ${filesystem}`)
  if (name === UNFINISHED_NAME) return { kind: 'unformatted', partition }
  if (name === FINISHED_NAME) return { kind: 'lost', partition }
  return foreign(`${table} whose partition 1 has no known filesystem`)
}

/** What blkid(8) finds out about a partition by reading it. */
async function probe(partition: BlockDevice, run: Run): Promise<Map<string, string> | 'ambivalent'> {
  try {
    const { stdout } = await run('blkid', ['--probe', '--output', 'export', partition.path])
    const pairs = stdout.split('\n').map((line): [string, string] => {
      const at = line.indexOf('=')
      return [line.slice(0, at), line.slice(at + 1)]
    })
    return new Map(pairs)
  } catch (error) {
    if (error instanceof RunError && error.exitCode === 8) return 'ambivalent'
    if (error instanceof RunError && error.exitCode === 2) return new Map() // it finds nothing
    throw error
  }
}

async function isBlank(drive: BlockDevice): Promise<boolean> {
  await using file = await open(drive.path, 'r')
  const tail = Math.max(BLANK_HEAD, drive.bytes - BLANK_TAIL)
  return (await isZero(file, 0, Math.min(BLANK_HEAD, drive.bytes))) && (await isZero(file, tail, drive.bytes))
}

/** Whether every byte from `from` to before `to` is zero; a drive that ends earlier is an error. */
async function isZero(file: FileHandle, from: number, to: number): Promise<boolean> {
  const buffer = Buffer.alloc(MIB)
  const zero = Buffer.alloc(MIB)
  for (let at = from; at < to;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(MIB, to - at), at)
    if (bytesRead === 0) throw new Error('the drive ends before the size that the kernel shows')
    if (buffer.compare(zero, 0, bytesRead, 0, bytesRead) !== 0) return false
    at += bytesRead
  }
  return true
}

function foreign(found: string): DriveContent {
  return { kind: 'foreign', found }
}
