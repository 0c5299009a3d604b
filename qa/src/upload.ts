import { Fault } from '@ostler/contract/fault.ts'
import { type Upload, UPLOAD_PIECE, uploadPath, UPLOADS_PATH } from '@ostler/contract/uploads.ts'
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from './api-client.ts'
import type { Console } from './commands.ts'

/** A line is mended so often, after so long each. */
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000, 16_000]
const TELL_MS = 200

/** What `path=` of an image names here rather than there: a path that is neither absolute nor a name alone. */
export function isLocalFile(path: string | undefined): path is string {
  return path !== undefined && path.includes('/') && !path.startsWith('/')
}

/**
 * Sends a file to the node whose api is asked. What has arrived before, in this run or another one, is not sent again.
 * @param expected what it must hash to, where that is known.
 * @returns its name there, and its hash.
 * @throws Fault `upload.source` for a file that cannot be read, is another one than expected or changes meanwhile, or what the api says.
 */
export async function uploadFile(
  path: string,
  expected: string | undefined,
  api: ApiClient,
  out: Pick<Console, 'progress'>,
): Promise<{ file: string; sha256: string }> {
  const unusable = (reason: string, cause?: unknown): Fault =>
    new Fault('upload.source', { path, reason }, { cause })
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw unusable((error as Error).message, error)
  })
  const before = await file.stat()
  if (!before.isFile() || before.size === 0) throw unusable(before.isFile() ? 'it is empty' : 'it is no file')
  const told = progressOf(basename(path), before.size, out)
  try {
    const sha256 = await hashOf(file, told('is read'))
    if (expected !== undefined && expected.toLowerCase() !== sha256) throw unusable(`its hash is ${sha256}`)
    const begun = { name: basename(path), size: before.size, sha256 }
    const begin = async (): Promise<Upload> => (await api.post(UPLOADS_PATH, begun)) as Upload
    let upload = await begin()
    const tell = told('is sent', upload.done)
    for (let failures = 0; upload.done < upload.size;)
      try {
        upload = await sendPiece(file, upload, api)
        failures = 0
        tell(upload.done)
      } catch (error) {
        const pause = RETRY_MS[failures++]
        const isPassing = error instanceof Fault && ['client.unreachable', 'upload.gap'].includes(error.code)
        if (!isPassing || pause === undefined) throw error
        await sleep(pause)
        upload = await begin().catch(() => upload)
      }
    const { size, mtimeMs } = await file.stat()
    if (size !== before.size || mtimeMs !== before.mtimeMs) throw unusable('it has changed while it was sent')
    return { file: upload.file, sha256 }
  } finally {
    out.progress?.(undefined)
  }
}

async function sendPiece(
  file: FileHandle,
  { file: name, size, done }: Upload,
  api: ApiClient,
): Promise<Upload> {
  const piece = Buffer.allocUnsafe(Math.min(UPLOAD_PIECE, size - done))
  const { bytesRead } = await file.read(piece, 0, piece.length, done)
  return (await api.patch(`${uploadPath(name)}?offset=${done}`, piece.subarray(0, bytesRead))) as Upload
}

async function hashOf(file: FileHandle, tell: (done: number) => void): Promise<string> {
  const hash = createHash('sha256')
  const piece = Buffer.allocUnsafe(2 ** 20)
  for (let done = 0; ;) {
    const { bytesRead } = await file.read(piece, 0, piece.length, done)
    if (bytesRead === 0) return hash.digest('hex')
    hash.update(piece.subarray(0, bytesRead))
    tell((done += bytesRead))
  }
}

/** Says now and then how far something is, and how long it will go on. @returns of each thing that is done, with where it begins. */
function progressOf(name: string, size: number, { progress }: Pick<Console, 'progress'>) {
  return (what: string, first = 0) => {
    const begun = performance.now()
    let last = -Infinity
    return (done: number): void => {
      const now = performance.now()
      if (progress === undefined || (now - last < TELL_MS && done < size)) return
      last = now
      progress(progressLine(`${name} ${what}`, { done, size, first, seconds: (now - begun) / 1_000 }))
    }
  }
}

/** `office.tar is sent  [#########…………]  43 %  1.2 of 2.8 GB  85.0 MB/s  0:19`. Pure. */
export function progressLine(
  what: string,
  { done, size, first, seconds }: { done: number; size: number; first: number; seconds: number },
): string {
  const width = 30
  const full = Math.floor((width * done) / size)
  const rate = seconds > 0 ? (done - first) / seconds : 0
  const [unit, bytes] = size >= 1e9 ? ['GB', 1e9] : ['MB', 1e6]
  const left = rate > 0 ? Math.ceil((size - done) / rate) : undefined
  const clock = left === undefined ? '' : `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`
  return [
    what,
    `[${'#'.repeat(full)}${'.'.repeat(width - full)}]`,
    `${Math.floor((100 * done) / size)} %`,
    `${(done / bytes).toFixed(1)} of ${(size / bytes).toFixed(1)} ${unit}`,
    `${(rate / 1e6).toFixed(1)} MB/s`,
    clock,
  ]
    .join('  ')
    .trimEnd()
}
