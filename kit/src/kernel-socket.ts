import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { withDeadline } from './deadline.ts'
import { DEFAULT_ENV } from './run.ts'

const GIVE_MS = 5_000
const TAIL = 500
/** The number under which the writer has the kernel's end. */
export const GIVEN_FD = 3

/**
 * Makes a pair of connected sockets and gives the kernel one of them, by writing `words` with the number `GIVEN_FD` in it to a
 * file of sysfs. The kernel looks the number up among the files of who writes, so that is a program of its own: `tee`, which
 * was given the socket as that. The kernel lets go of it when our end is closed.
 *
 * @param connect is called with our end before the kernel can have said anything: who does not listen at once loses the beginning.
 * @throws Error with what the kernel said against it; our end is closed then.
 */
export async function giveKernelSocket(
  file: string,
  words: string,
  connect: (ours: Duplex) => void,
): Promise<Duplex> {
  const child = spawn('tee', ['--', file], {
    env: DEFAULT_ENV,
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  })
  let said = ''
  child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-TAIL)))
  child.stdin?.on('error', () => {}) // 'close' tells
  const ours = child.stdio[GIVEN_FD] as unknown as Duplex
  ours.on('error', () => {}) // 'close' follows
  connect(ours)
  child.stdin?.end(words)
  try {
    // Not 'close', which waits for our end too.
    const [[code]] = (await withDeadline(file, GIVE_MS, (signal) =>
      Promise.all([once(child, 'exit', { signal }), once(child.stderr ?? child, 'close', { signal })]),
    )) as [[number | null], unknown]
    if (code !== 0) throw new Error(said.trim())
    return ours
  } catch (error) {
    child.kill('SIGKILL')
    ours.destroy()
    throw error
  }
}
