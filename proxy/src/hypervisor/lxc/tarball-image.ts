import { Fault } from '@ostler/contract/fault.ts'
import { RunError } from '@ostler/kit/run.ts'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { DesktopSpec } from '../hypervisor.ts'
import { unpack } from './unpack.ts'

type TarballImage = Pick<DesktopSpec['image'], 'name' | 'path' | 'unpackedName'>

/** True when a tarball has been unpacked, in its present version; also when it is not there: then it is for `tarballImage` to say. */
export function isUnpacked(folder: string, image: TarballImage): boolean {
  const stat = statSync(image.path, { throwIfNoEntry: false })
  return stat === undefined || existsSync(targetOf(folder, image, stat))
}

/** Where a tarball is unpacked in its present version, or would be; `undefined` when it is not there. */
export function unpackedFolder(folder: string, image: TarballImage): string | undefined {
  const stat = statSync(image.path, { throwIfNoEntry: false })
  return stat === undefined ? undefined : targetOf(folder, image, stat)
}

/** Where no name is given it follows the tarball's path, size and time, so a new version is unpacked anew. */
function targetOf(
  folder: string,
  { path, unpackedName }: TarballImage,
  stat: { size: number; mtimeMs: number },
): string {
  if (unpackedName !== undefined) return join(folder, unpackedName)
  const key = createHash('sha256').update(`${path} ${stat.size} ${stat.mtimeMs}`).digest('hex').slice(0, 12)
  return join(folder, `tarball-${key}`)
}

/**
 * Unpacks a tarball or a squashfs once and returns the folder. Several processes may try at once: each unpacks into a draft, and
 * the first to finish wins.
 *
 * @throws Fault `image.unusable`; nothing half-unpacked is left.
 */
export async function tarballImage(folder: string, image: TarballImage): Promise<string> {
  const { name, path } = image
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) throw new Fault('image.unusable', { image: name, reason: `${path} does not exist` })
  const target = targetOf(folder, image, stat)
  if (existsSync(target)) return target
  const draft = `${target}.${randomBytes(4).toString('hex')}`
  mkdirSync(draft, { recursive: true, mode: 0o755 })
  try {
    await unpack(path, draft)
    renameSync(draft, target)
  } catch (cause) {
    rmSync(draft, { recursive: true, force: true })
    if (existsSync(target)) return target
    const reason = cause instanceof RunError ? reasonOf(cause.stderr) : String(cause)
    throw new Fault('image.unusable', { image: name, reason: `unpacking failed: ${reason}` }, { cause })
  }
  return target
}

/** The first line is the cause, the last says only that there was one; a full disk makes every file a line. */
function reasonOf(stderr: string): string {
  const lines = stderr.trim().split('\n')
  return lines.find((line) => line.includes('No space left on device')) ?? lines[0] ?? ''
}
