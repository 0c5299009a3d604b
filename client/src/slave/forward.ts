import { Fault, lastSentence } from '@ostler/contract/fault.ts'
import { joinStreams } from '@ostler/contract/slave-ports.ts'
import { parsePort } from '@ostler/contract/slave.ts'
import { closeServer } from './close-server.ts'
import { createServer } from 'node:net'
import type { GuestCalls } from './guest-calls.ts'

/** A port of ours that leads to one of the desktop's loopback. */
export interface Forward {
  /** On 127.0.0.1. */
  readonly here: number
  readonly there: number
}

/**
 * Reads `PORT:localhost:PORT`. Only the desktop's own loopback can be reached: a desktop is no way into its network.
 * @throws Fault `client.forward`.
 */
export function parseForward(text: string): Forward {
  const [first = '', host = '', last = '', more] = text.split(':')
  const [here, there] = [parsePort(first), parsePort(last)]
  const problem =
    here === undefined || there === undefined || more !== undefined
      ? 'it has not two ports'
      : ['localhost', '127.0.0.1'].includes(host)
        ? undefined
        : 'only localhost can be reached in a desktop'
  if (here === undefined || there === undefined || problem !== undefined)
    throw new Fault('client.forward', { text, problem: problem ?? '' })
  return { here, there }
}

/**
 * Listens on our loopback, and carries each connection to the desktop's port.
 * @param tell gets why a connection came to nothing.
 * @throws Fault `client.forward` when the port is taken.
 */
export async function serveForward(
  { here, there }: Forward,
  guest: GuestCalls,
  tell: (line: string) => void,
): Promise<AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
    near.on('error', () => near.destroy())
    guest.open({ method: 'POST', path: `/tcp/connect/${there}` }).then(
      ({ stream, reply }) => {
        joinStreams(stream, reply.head, near)
      },
      (error: unknown) => {
        near.destroy()
        tell(`Port ${here}: ${lastSentence(error).sentence}`)
      },
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const problem = `port ${here} cannot be used here (${cause.code ?? cause.message})`
      reject(new Fault('client.forward', { text: `${here}:localhost:${there}`, problem }, { cause }))
    })
    server.listen(here, '127.0.0.1', resolve)
  })
  return closeServer(server)
}
