import { type ChildProcess, spawn } from 'node:child_process'
import type { BootPort } from '../platform.ts'

/** What makes the agent's program a reader of the boot port. */
export const READER = 'boot-port'
const AGAIN_MS = 1_000

/**
 * The boot port as Windows has it: its driver knows no reading without waiting, and a thread that waits there would hold our own
 * end. So a process of its own waits, which can be ended at any time.
 *
 * @param path the device, which may appear later.
 * @param reader how that process is started; the path is appended.
 */
export function windowsBootPort(
  path: string,
  reader: readonly string[] = [process.execPath, process.argv[1] ?? '', READER],
): BootPort {
  return (hear) => {
    let child: ChildProcess | undefined
    let again: NodeJS.Timeout | undefined
    let isOver = false
    const start = (): void => {
      const [program = '', ...words] = reader
      child = spawn(program, [...words, path], { stdio: ['pipe', 'pipe', 'ignore'], windowsHide: true })
      child.stdout?.on('data', (bytes: Buffer) => {
        if (!isOver) hear(bytes)
      })
      child.once('error', () => {}) // 'close' follows
      child.once('close', () => {
        if (!isOver) again = setTimeout(start, AGAIN_MS)
      })
    }
    start()
    return {
      [Symbol.dispose]: () => {
        isOver = true
        clearTimeout(again)
        child?.kill('SIGKILL')
      },
    }
  }
}
