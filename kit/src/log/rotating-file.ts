import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { Appendable } from './appender.ts'

/** How often we look whether the name still means our file. */
const LOOK_MS = 1_000
/** A named pipe that nobody reads must not hold us. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK

/**
 * A file that grows to `size` bytes, is then renamed to `NAME.1` (and that to `NAME.2` …) and begins anew;
 * `max` files are kept in all.
 *
 * It is opened again when somebody has renamed or removed it, which is seen within a second of the next line.
 * Several processes may share one file. The file is made with mode 0640, its folder with 0750.
 */
export class RotatingFile implements Appendable {
  readonly name: string
  readonly #size: number
  readonly #max: number
  readonly #now: () => number
  #fd: number | undefined
  /** Bytes in the file, as far as we know. */
  #length = 0
  #lookAt = 0

  /** @param now milliseconds that only grow. */
  constructor(
    file: { path: string; size: number; max: number },
    now: () => number = () => performance.now(),
  ) {
    this.name = file.path
    this.#size = file.size
    this.#max = file.max
    this.#now = now
  }

  append(bytes: Buffer): void {
    try {
      let fd = this.#current()
      if (this.#length > 0 && this.#length + bytes.length > this.#size) fd = this.#rotate(fd)
      writeWhole(fd, bytes)
      this.#length += bytes.length
    } catch (error) {
      this.close()
      throw error
    }
  }

  close(): void {
    const fd = this.#fd
    this.#fd = undefined
    try {
      if (fd !== undefined) closeSync(fd)
    } catch {
      // a broken disk says so once more
    }
  }

  /** The descriptor of the file that has the name now. */
  #current(): number {
    if (this.#fd === undefined) return this.#open()
    if (this.#now() < this.#lookAt) return this.#fd
    return this.#hasTheName(this.#fd) ? this.#fd : this.#open()
  }

  /** Whether the name still leads to `fd`. Learns how long the file is, for others may write to it as well. */
  #hasTheName(fd: number): boolean {
    this.#lookAt = this.#now() + LOOK_MS
    const named = statSync(this.name, { throwIfNoEntry: false })
    const ours = fstatSync(fd)
    this.#length = ours.size
    return named?.ino === ours.ino && named.dev === ours.dev
  }

  #open(): number {
    this.close()
    mkdirSync(dirname(this.name), { recursive: true, mode: 0o750 })
    const fd = openSync(this.name, FLAGS, 0o640)
    this.#fd = fd
    this.#length = fstatSync(fd).size
    this.#lookAt = this.#now() + LOOK_MS
    return fd
  }

  #rotate(fd: number): number {
    // Somebody else who writes to this file may have been faster.
    if (!this.#hasTheName(fd)) return this.#open()
    // Should this fail, it is tried again when we next learn the length.
    this.#length = 0
    if (!fstatSync(fd).isFile()) return fd
    try {
      for (let number = this.#max - 2; number >= 1; number--) this.#rename(number, number + 1)
      if (this.#max > 1) this.#rename(0, 1)
      else rmSync(this.name)
    } catch {
      // The folder may be closed to us: one file that is too long is better than no log.
      return fd
    }
    return this.#open()
  }

  #rename(from: number, to: number): void {
    const file = (number: number): string => (number === 0 ? this.name : `${this.name}.${number}`)
    try {
      renameSync(file(from), file(to))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

/** Adds all the bytes or, when the disk fills up on the way, none. */
function writeWhole(fd: number, bytes: Buffer): void {
  let written = 0
  try {
    while (written < bytes.length) written += writeSync(fd, bytes, written)
  } catch (error) {
    if (written > 0) ftruncateSync(fd, Math.max(0, fstatSync(fd).size - written))
    throw error
  }
}
