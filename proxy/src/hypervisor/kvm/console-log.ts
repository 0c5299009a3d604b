import { closeSync, constants, openSync, readSync, writeFileSync } from 'node:fs'
import { plainText } from '../console-tail.ts'

/** As much as a machine's folder has room for. */
const MAX_BYTES = 1 << 20

/**
 * Keeps what a guest has said on its serial line since it was started, its first megabyte, for whoever wants to know
 * why it did not come up. What could move a terminal is taken out. Nothing is done when there is nothing.
 */
export function keepConsole(from: string, to: string): void {
  let file: number
  try {
    file = openSync(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return
  }
  try {
    const bytes = Buffer.alloc(MAX_BYTES)
    const length = readSync(file, bytes, 0, bytes.length, 0)
    if (length > 0) writeFileSync(to, plainText(bytes.toString('utf8', 0, length)), { mode: 0o640 })
  } finally {
    closeSync(file)
  }
}
