import { closeSync, constants, openSync, readSync } from 'node:fs'
import type { BootPort } from '../platform.ts'

const LOOK_MS = 100
const CHUNK = 4_096

/**
 * The boot port as Linux has it: a device that can be looked at without waiting. While nothing comes, it costs nothing.
 * @param path the device, which may appear later.
 */
export function linuxBootPort(path: string): BootPort {
  return (hear) => {
    let file: number | undefined
    const bytes = Buffer.alloc(CHUNK)
    const look = (): void => {
      file ??= openPort(path)
      const length = file === undefined ? 0 : readPort(file, bytes)
      if (length > 0) hear(bytes.subarray(0, length))
    }
    const timer = setInterval(look, LOOK_MS)
    return {
      [Symbol.dispose]: () => {
        clearInterval(timer)
        if (file !== undefined) closeSync(file)
        file = undefined
      },
    }
  }
}

/** Without waiting: a read that waits would hold one of few threads, and our own end. */
function openPort(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
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
