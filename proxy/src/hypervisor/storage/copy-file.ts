import { run } from '@ostler/kit/run.ts'
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** What a file was when it was read. */
export interface FileDigest {
  /** In hexadecimal. */
  readonly sha256: string
  readonly bytes: number
}

export interface CopyOptions {
  /** Called as the copy grows, with the bytes of the source that are done. */
  readonly onBytes?: (done: number) => void
  /** A symbolic link is not followed: the source lies where another user may have put one. */
  readonly noLink?: boolean
  readonly signal?: AbortSignal
}

const CHUNK = 2 ** 20
const ZEROS = Buffer.alloc(CHUNK)

/**
 * Copies a file to a new name, whole and on the disk; holes stay holes. What was written is read again, from the disk where
 * the system can be made to, and must be what was read.
 *
 * @throws Error when the source changes meanwhile or the copy differs, the system's error (such as ENOSPC), or the reason
 *   of `signal`. A part of the copy may then be there.
 */
export async function copyVerified(from: string, to: string, options: CopyOptions = {}): Promise<FileDigest> {
  const { onBytes, signal, noLink = false } = options
  const follow = noLink ? constants.O_NOFOLLOW : 0
  await using source = await open(from, constants.O_RDONLY | constants.O_NONBLOCK | follow)
  const before = await source.stat()
  if (!before.isFile()) throw new Error(`${from} is no file`)
  await using target = await open(to, 'wx', 0o600)
  const hash = createHash('sha256')
  const chunk = Buffer.allocUnsafe(CHUNK)
  let done = 0
  for (;;) {
    signal?.throwIfAborted()
    const { bytesRead } = await source.read(chunk, 0, CHUNK, done)
    // What grows faster than it is copied has no end.
    if (bytesRead === 0 || done > before.size) break
    const piece = chunk.subarray(0, bytesRead)
    hash.update(piece)
    if (!piece.equals(ZEROS.subarray(0, bytesRead))) await writeAll(target, piece, done)
    done += bytesRead
    onBytes?.(done)
  }
  await target.truncate(done)
  await target.sync()
  const after = await source.stat()
  if (after.size !== done || after.mtimeMs !== before.mtimeMs)
    throw new Error(`${from} changed while it was copied`)
  const sha256 = hash.digest('hex')
  await forget(to)
  const again = await digestFile(to, signal)
  if (again.sha256 !== sha256) throw new Error(`what was written to ${to} is read back otherwise`)
  return { sha256, bytes: done }
}

/** Reads a file for its hash. @throws the system's error, or the reason of `signal`. */
export async function digestFile(path: string, signal?: AbortSignal): Promise<FileDigest> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const hash = createHash('sha256')
  const chunk = Buffer.allocUnsafe(CHUNK)
  let bytes = 0
  for (;;) {
    signal?.throwIfAborted()
    const { bytesRead } = await file.read(chunk, 0, CHUNK, bytes)
    if (bytesRead === 0) return { sha256: hash.digest('hex'), bytes }
    hash.update(chunk.subarray(0, bytesRead))
    bytes += bytesRead
  }
}

async function writeAll(
  file: {
    write(bytes: Buffer, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>
  },
  bytes: Buffer,
  position: number,
): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const rest = bytes.length - written
    written += (await file.write(bytes, written, rest, position + written)).bytesWritten
  }
}

/** Asks the system to drop what it remembers of a file, so that reading it again asks the disk. */
async function forget(path: string): Promise<void> {
  await run('dd', [`if=${path}`, 'iflag=nocache', 'count=0']).catch(() => {})
}
