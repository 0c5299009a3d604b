import { fstatSync } from 'node:fs'
import { connect, Socket } from 'node:net'

const CONNECT_MS = 5_000

/**
 * Carries the socket that is our standard input and output to a unix socket and back, until both directions have ended: for
 * programs that are started with a connection, by who cannot hand it on.
 *
 * @returns the exit code: 0, or 1 when there was nobody to carry it to.
 */
export async function carryStandardStream(path: string): Promise<number> {
  if (!fstatSync(0).isSocket()) return 1
  const near = new Socket({ fd: 0, readable: true, writable: true, allowHalfOpen: true })
  const far = connect({ path, allowHalfOpen: true })
  const hurry = setTimeout(() => far.destroy(), CONNECT_MS)
  let code = 1
  far.once('connect', () => {
    code = 0
    clearTimeout(hurry)
    near.pipe(far)
    far.pipe(near)
  })
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ] as const)
    // One that breaks takes the other along; one that has only ended leaves it its own direction.
    socket.on('error', () => other.destroy()).once('close', (broken) => broken && other.destroy())
  await Promise.all([near, far].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
  return code
}
