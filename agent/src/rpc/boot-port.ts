import { writeWhole } from '@ostler/kit/write-file.ts'
import { closeSync, constants, mkdirSync, openSync, readSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

const LOOK_MS = 100
const CHUNK = 4_096
/** A ticket has some 200 characters. */
const MAX_LINE = 4_096

/**
 * In a virtual machine, takes the node's tickets from the boot port and lays each into the boot folder, where tickets
 * are looked for. Elsewhere there is no such port, and nothing happens.
 *
 * @param port the device, which may appear later.
 * @returns closes the port, and removes a ticket that came by it: it has done its work. While nobody waits for a
 *   ticket, the port costs nothing.
 */
export function followBootPort(port: string, folder: string): Disposable {
  let file: number | undefined
  let rest = ''
  let brought = false
  const ticket = join(folder, 'enrol.json')
  const bytes = Buffer.alloc(CHUNK)

  const look = (): void => {
    file ??= openPort(port)
    const length = file === undefined ? 0 : readPort(file, bytes)
    if (length === 0) return
    const lines = (rest + bytes.toString('utf8', 0, length)).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_LINE) rest = ''
    const newest = lines.findLast((line) => line !== '')
    if (newest === undefined) return
    // The folder above it is also the way to what users may reach.
    mkdirSync(dirname(folder), { recursive: true, mode: 0o755 })
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeWhole(ticket, newest, { mode: 0o600 })
    brought = true
  }
  const timer = setInterval(look, LOOK_MS)
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer)
      if (file !== undefined) closeSync(file)
      file = undefined
      if (brought) rmSync(ticket, { force: true })
    },
  }
}

/** Without waiting: a read that waits would hold one of few threads, and our own end. */
function openPort(port: string): number | undefined {
  try {
    return openSync(port, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
}

/** 0 while there is nothing, or nobody at the other end. */
function readPort(file: number, bytes: Buffer): number {
  try {
    return readSync(file, bytes)
  } catch {
    return 0
  }
}
