import { roleOf } from '@ostler/contract/identity.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import { warnSeldom } from '@ostler/kit/log/seldom.ts'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import type { CallerIdentity } from '../../guest/agent-link.ts'
import type { Member, PeerAnswer } from '../../model/host-lease.ts'

const PROTOCOL = 'ostler-peer'
/** What stands in place of a name: which node it is says the answer, under a certificate that only nodes have. */
const PEER_NAME = 'ostler-peer'
const MAX_ANSWER = 1_000
const HANDSHAKE_MS = 2_000
const MAX_CONNECTIONS = 1_000
const REFUSALS = { lines: 20, everyMs: 60_000 }

export interface PeerServerParts {
  /** What hkd shows, as it now is. */
  readonly identity: () => CallerIdentity
  /** `nodename` of this node. */
  readonly node: string
  readonly answer: () => PeerAnswer
  readonly address: string
  readonly port: number
  readonly log: Log
}

/** A server that answers the nodes of others, one line each; whoever is no node is told nothing. */
export interface PeerServer extends AsyncDisposable {
  readonly port: number
}

/**
 * Answers the hkds of other nodes whether this one reaches the database.
 * @param parts `port` 0: any that is free.
 * @throws Error of the system when it cannot listen there.
 */
export async function servePeers(parts: PeerServerParts): Promise<PeerServer> {
  const { identity, node, answer, log } = parts
  const sockets = new Set<Socket>()
  const warn = warnSeldom(log, REFUSALS)
  const { key, certificate, authority } = identity()
  const server = createServer(
    {
      ...{ key, cert: certificate, ca: authority, minVersion: 'TLSv1.3' },
      ...{ requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS },
      ALPNProtocols: [PROTOCOL],
    },
    (socket) => {
      socket.on('error', () => socket.destroy())
      socket.setTimeout(HANDSHAKE_MS, () => socket.destroy())
      if (!isHkd(socket)) {
        warn('somebody who is no node has asked', { address: socket.remoteAddress })
        return void socket.destroy()
      }
      socket.end(`${JSON.stringify({ node, answer: answer() })}\n`)
    },
  )
  server.maxConnections = MAX_CONNECTIONS
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', (error, socket) => {
    warn('a question of another node failed', { error })
    socket.destroy() // whoever is silent is only told of, not cut
  })
  server.listen(parts.port, ...(parts.address === '*' ? [] : [parts.address]))
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : parts.port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/**
 * Asks another node whether it reaches the database.
 * @returns `undefined` when it cannot be reached in time, or somebody else answers in its place.
 */
export async function askPeer(
  member: Member,
  identity: CallerIdentity,
  withinMs: number,
): Promise<PeerAnswer | undefined> {
  const { address, port, name } = member
  if (address === null || port === null) return undefined
  const { key, certificate, authority } = identity
  const socket = connect({
    ...{ host: address, port, key, cert: certificate, ca: authority, minVersion: 'TLSv1.3' },
    ...{ servername: PEER_NAME, ALPNProtocols: [PROTOCOL] },
    checkServerIdentity: (_, { subjectaltname }) =>
      roleOf(subjectaltname) === 'hkd' ? undefined : new Error('its certificate is not that of a node'),
  })
  try {
    const said = await withDeadline(`asking node ${name}`, withinMs, () => readAnswer(socket))
    if (said.node !== name) return undefined
    return said.answer === 'sees' || said.answer === 'blind' ? said.answer : undefined
  } catch {
    return undefined
  } finally {
    socket.destroy()
  }
}

async function readAnswer(
  socket: TLSSocket,
): Promise<{ readonly node?: unknown; readonly answer?: unknown }> {
  let text = ''
  socket.setEncoding('utf8')
  for await (const chunk of socket) {
    text += String(chunk)
    if (text.length > MAX_ANSWER) throw new RangeError('too long an answer')
  }
  return JSON.parse(text) as { node?: unknown; answer?: unknown }
}

function isHkd(socket: TLSSocket): boolean {
  return socket.authorized && roleOf(socket.getPeerCertificate().subjectaltname) === 'hkd'
}
