import { Fault } from '@ostler/contract/fault.ts'
import { newUpload, pieceQuery, type Upload, UPLOAD_PIECE, UPLOADS_PATH } from '@ostler/contract/uploads.ts'
import { open, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { filesToBring } from '../store/image-copies.ts'
import type { Db } from '../store/open.ts'
import { nothing, type Route, route } from './route.ts'

const upload = z.strictObject({ file: z.string(), size: z.int(), done: z.int() })
/** What is not whole is called by its size, too: nothing is remembered that the folder does not say. */
const PART = /^\.(\d+)-([0-9a-f]{16}-.+)$/
const WHOLE = /^[0-9a-f]{16}-/
/** After so long nobody goes on with what is not whole, nor adds what is. */
const FORGOTTEN_MS = 7 * 86_400_000
/** Bytes that stay free, for all else on that disk. */
const RESERVE = 2 ** 30

/**
 * Files of disk images that are sent to this node, in pieces: each goes where it says, so one that comes twice does no harm, and what
 * was cut off goes on. Whether the bytes are the ones of the hash is looked at by hkd, when it takes the file into the images.
 * @param folder `path.uploads`
 */
export function uploadRoutes(folder: string): Route[] {
  const one = `${UPLOADS_PATH}/:file`
  return [
    route({
      method: 'get',
      path: UPLOADS_PATH,
      summary: 'Files of images that are being sent to this node, or wait to be added.',
      needs: 'image.see',
      answer: z.array(upload),
      run: () => guarded(folder, () => uploadsIn(folder)),
    }),
    route({
      method: 'post',
      path: UPLOADS_PATH,
      summary: 'Begins to send the file of an image to this node, or says how much of it has arrived.',
      needs: 'image.change',
      body: newUpload,
      answer: upload,
      status: 201,
      run: ({ db, body: { name, size, sha256 } }) =>
        guarded(folder, async () => {
          const file = `${sha256.slice(0, 16)}-${name}`
          await forget(folder, db)
          const found = (await uploadsIn(folder)).find((each) => each.file === file && each.size === size)
          await requireRoom(folder, size - (found?.done ?? 0))
          if (found?.done === size) await finish(folder, found)
          if (found !== undefined) return found
          await using _ = await open(join(folder, partOf(file, size)), 'wx', 0o600)
          return { file, size, done: 0 }
        }),
    }),
    route({
      method: 'patch',
      path: one,
      summary:
        'Brings a piece of a file. What begins and ends it is in the audit log, and its pieces are not.',
      needs: 'image.change',
      query: pieceQuery,
      octets: UPLOAD_PIECE,
      changesNothing: true,
      answer: upload,
      run: ({ part, query: { offset }, body }) =>
        guarded(folder, () => take(folder, part('file'), offset, body as unknown as Uint8Array)),
    }),
    route({
      method: 'delete',
      path: one,
      summary: 'Gives up a file that was sent, or a part of one.',
      needs: 'image.change',
      answer: nothing,
      run: ({ part }) =>
        guarded(folder, async () => {
          const { file, size } = await requireUpload(folder, part('file'))
          for (const name of [file, partOf(file, size)]) await rm(join(folder, name), { force: true })
          return {}
        }),
    }),
  ]
}

/** Writes a piece where it belongs; with the last one the file gets its name. */
async function take(folder: string, name: string, offset: number, bytes: Uint8Array): Promise<Upload> {
  const { file, size, done } = await requireUpload(folder, name)
  const end = offset + bytes.length
  if (done < size) {
    if (offset > done || end > size) throw new Fault('upload.gap', { file, done, offset, end })
    await using target = await open(join(folder, partOf(file, size)), 'r+')
    for (let written = 0; written < bytes.length;)
      written += (await target.write(bytes, written, bytes.length - written, offset + written)).bytesWritten
    if (end === size) await target.sync()
  }
  const now = { file, size, done: Math.max(done, end) }
  if (now.done === size) await finish(folder, now)
  return now
}

/** Gives what is whole its name; it may have it. */
async function finish(folder: string, { file, size }: Upload): Promise<void> {
  await rename(join(folder, partOf(file, size)), join(folder, file)).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  })
}

/** @throws Fault `object.unknown`. */
async function requireUpload(folder: string, name: string): Promise<Upload> {
  const found = (await uploadsIn(folder)).find(({ file }) => file === name)
  if (found === undefined) throw new Fault('object.unknown', { kind: 'upload', name })
  return found
}

async function uploadsIn(folder: string): Promise<Upload[]> {
  const found = (await readdir(folder)).map(async (name) => {
    const size = await stat(join(folder, name)).then(
      (file) => file.size,
      () => undefined, // gone by now
    )
    const [, whole = '', part = ''] = PART.exec(name) ?? []
    if (size === undefined || (part === '' && !WHOLE.test(name))) return []
    return part === ''
      ? [{ file: name, size, done: size }]
      : [{ file: part, size: Number(whole), done: size }]
  })
  return (await Promise.all(found)).flat().toSorted((a, b) => a.file.localeCompare(b.file))
}

/** Removes what nobody has gone on with for a week, unless hkd is still to bring it. */
async function forget(folder: string, db: Db): Promise<void> {
  const wanted = await filesToBring(db)
  for (const { file, size } of await uploadsIn(folder))
    for (const name of [file, partOf(file, size)]) {
      const path = join(folder, name)
      const at = await stat(path).catch(() => undefined)
      if (at !== undefined && at.mtimeMs < Date.now() - FORGOTTEN_MS && !wanted.has(name)) await rm(path)
    }
}

/** @throws Fault `storage.full`. */
async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const [free, needed] = [bavail * bsize, bytes + RESERVE].map((count) => Math.ceil(count / 2 ** 20))
  if (free !== undefined && needed !== undefined && free < needed)
    throw new Fault('storage.full', { folder, reason: `${free} MB are free, ${needed} MB are needed` })
}

/** @throws Fault `upload.unavailable` for what the system says, `storage.full`. */
async function guarded<T>(folder: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (cause instanceof Fault || code === undefined) throw cause
    if (code === 'ENOSPC') throw new Fault('storage.full', { folder, reason: 'the disk is full' }, { cause })
    throw new Fault('upload.unavailable', { folder, reason: (cause as Error).message }, { cause })
  }
}

function partOf(file: string, size: number): string {
  return `.${size}-${file}`
}
