import { randomBytes } from 'node:crypto'
import { closeSync, fchownSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Writes a file whole or not at all: to a new name beside it, to the disk, then renamed. A link or a half-written file
 * that lies at `path` is replaced, never followed.
 *
 * @param options `mode` of the file; `owner` when it is not to be ours; `folderMode` for folders that are made.
 */
export function writeWhole(
  path: string,
  content: string | Uint8Array,
  options: { mode: number; owner?: { uid: number; gid: number }; folderMode?: number },
): void {
  mkdirSync(dirname(path), { recursive: true, mode: options.folderMode ?? 0o755 })
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const fd = openSync(draft, 'wx', options.mode)
  try {
    const bytes = Buffer.from(content)
    for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written)
    fsyncSync(fd)
    // By what we opened: the folder may be somebody else's, who could put a link there.
    if (options.owner !== undefined) fchownSync(fd, options.owner.uid, options.owner.gid)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
}
