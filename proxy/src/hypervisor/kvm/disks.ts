import { Fault } from '@ostler/contract/fault.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { HEADER_BYTES, readQcow2Header } from './qcow2.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants

/** Some dozens of gigabytes on a slow disk. */
const COPY_MS = 7_200_000

/** An open file that is closed with its owner. */
export interface OpenDisk extends Disposable {
  readonly fd: number
  /** Bytes of the disk that a guest sees. */
  readonly size: number
}

/**
 * Opens the disk image of a desktop for reading, after a look at its header.
 * @throws Fault `image.unusable`.
 */
export function openImage(name: string, path: string): OpenDisk {
  return opened(name, path, O_RDONLY | O_NONBLOCK, (fd) => {
    const head = Buffer.alloc(HEADER_BYTES)
    const length = readSync(fd, head, 0, head.length, 0)
    return readQcow2Header(head.subarray(0, length)).size
  })
}

/** Opens a disk of the node's own making for writing. Links are not followed. @throws Fault `image.unusable`. */
export function openOwnDisk(path: string): OpenDisk {
  return opened(path, path, O_RDWR | O_NOFOLLOW, (fd) => fstatSync(fd).size)
}

function opened(name: string, path: string, flags: number, sizeOf: (fd: number) => number): OpenDisk {
  let fd: number | undefined
  try {
    const file = openSync(path, flags)
    fd = file
    if (!fstatSync(file).isFile()) throw new Error(`${path} is no file`)
    return { fd: file, size: sizeOf(file), [Symbol.dispose]: () => closeSync(file) }
  } catch (cause) {
    if (fd !== undefined) closeSync(fd)
    throw unusable(name, cause)
  }
}

/**
 * Makes an empty overlay over an image; one that is there is removed. The image is not opened for it.
 * @throws Fault `image.unusable`.
 */
export async function makeOverlay(
  overlay: string,
  image: { readonly name: string; readonly path: string; readonly size: number },
): Promise<void> {
  mkdirSync(dirname(overlay), { recursive: true, mode: 0o755 })
  const draft = `${overlay}.new`
  rmSync(draft, { force: true })
  // The image's name is in there for whoever looks; QEMU is told otherwise (qemu-arguments.ts).
  const based = ['-u', '-F', 'qcow2', '-b', image.path]
  try {
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...based, draft, String(image.size)])
  } catch (cause) {
    rmSync(draft, { force: true })
    throw unusable(image.name, cause)
  }
  renameSync(draft, overlay)
}

/**
 * Makes one image of an overlay and what lies below it. What is below is said here: the overlay's own word is not asked. What is on
 * the disk stays as it is: no file system of a guest is opened on the node, so nothing in it is sealed.
 * @throws Fault `capture.failed`; then there is no target.
 */
export async function copyDisk(
  disk: { readonly image: string; readonly overlay: string },
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const file = (filename: string) => ({ driver: 'qcow2', file: { driver: 'file', filename } })
  const source = JSON.stringify({ ...file(disk.overlay), backing: file(disk.image) })
  try {
    await run('qemu-img', ['convert', '-O', 'qcow2', `json:${source}`, target], {
      timeoutMs: COPY_MS,
      signal,
    })
  } catch (cause) {
    rmSync(target, { force: true })
    const reason = cause instanceof RunError ? (cause.stderr.trim().split('\n')[0] ?? '') : String(cause)
    throw new Fault('capture.failed', { reason }, { cause })
  }
}

function unusable(image: string, cause: unknown): Fault {
  const reason =
    cause instanceof RunError ? (cause.stderr.trim().split('\n')[0] ?? '') : (cause as Error).message
  return new Fault('image.unusable', { image, reason }, { cause })
}
