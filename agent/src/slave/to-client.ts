import { Fault } from '@ostler/contract/fault.ts'
import { askSlave, type SlaveCall, type SlaveReply } from '@ostler/contract/slave-call.ts'
import { loopbackPeer } from '@ostler/kit/loopback-peer.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import { once } from 'node:events'
import { connect } from 'node:net'

const CONNECT_MS = 5_000

/**
 * Calls the client's end of the slave channel, through nxagent's port. The key is told only to a program of the session's user:
 * while nobody is connected the port is anybody's.
 *
 * @param port nxagent's, on loopback.
 * @param owner the user whose nxagent it must be.
 * @param signal gives the call up.
 * @throws Fault `slave.silent` when no client is connected, or it does not answer.
 */
export async function callClient(
  port: number,
  owner: number,
  key: Secret,
  call: SlaveCall,
  signal?: AbortSignal,
): Promise<SlaveReply> {
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('error', () => socket.destroy())
  const giveUp = (): void => void socket.destroy()
  signal?.addEventListener('abort', giveUp, { once: true })
  if (signal?.aborted) giveUp()
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(CONNECT_MS) }).catch((cause: unknown) => {
      throw new Fault('slave.silent', { reason: 'no client with a slave channel is connected' }, { cause })
    })
    if (loopbackPeer(socket) !== owner)
      throw new Fault('slave.silent', { reason: `port ${port} is somebody else's` })
    return await askSlave(socket, key, call)
  } finally {
    signal?.removeEventListener('abort', giveUp)
    socket.destroy()
  }
}
