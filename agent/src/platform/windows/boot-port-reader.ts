import { type FileHandle, open } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

const CHUNK = 4_096
/** Until a port is looked for again that is not there, or says that nobody is at its other end. */
const AGAIN_MS = 200

/**
 * Copies what comes by the boot port to standard output, for good: the agent ends us, or we end with it.
 * @param input what the agent lets go of when it ends.
 */
export async function readBootPort(path: string, input: Readable, output: Writable): Promise<never> {
  // A read that waits in the driver would hold a plain exit.
  input.once('close', () => process.kill(process.pid, 'SIGKILL')).resume()
  for (;;) {
    const file = await open(path, 'r').catch(() => undefined)
    if (file !== undefined) await copy(file, output)
    await sleep(AGAIN_MS)
  }
}

/** Until the port fails. */
async function copy(file: FileHandle, output: Writable): Promise<void> {
  const bytes = Buffer.alloc(CHUNK)
  try {
    for (;;) {
      const { bytesRead } = await file.read(bytes, 0, CHUNK, null)
      if (bytesRead === 0) await sleep(AGAIN_MS)
      else output.write(Buffer.from(bytes.subarray(0, bytesRead)))
    }
  } catch {
    await file.close().catch(() => {}) // it has gone
  }
}
