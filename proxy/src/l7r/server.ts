import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { Duplex } from 'node:stream'
import type { BrowserDisplay } from './browser-display.ts'
import { CONNECT_PATH, type NxEndpoints } from './nx-endpoints.ts'
import { fromIncoming } from './http/request.ts'
import { replyFault, replyOn, replyTo, targetOf } from './respond.ts'

export interface DoorServerParts {
  readonly tls: { readonly key: string; readonly cert: string }
  readonly address: string
  readonly port: number
  readonly nx: NxEndpoints
  readonly browser: BrowserDisplay
  readonly portal: (request: IncomingMessage, response: ServerResponse) => void
  readonly stopping: AbortSignal
  readonly log: Log
}

const HEAD_MS = 10_000
const HANDSHAKE_MS = 10_000
/** The C client keeps its list connection open and idle; it does without when we close it. */
const IDLE_MS = 600_000
const MAX_CONNECTIONS = 8_192

/**
 * The one TLS socket: HTTP for everybody, and after an upgrade a raw stream.
 *
 * QVD's clients end lines with a bare LF and send no Host, which Node takes in its lenient mode only; there is no
 * proxy behind us that could be smuggled past.
 */
export async function serveDoor(parts: DoorServerParts): Promise<AsyncDisposable> {
  const streams = new Set<Duplex>()
  const server = createServer({
    ...parts.tls,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: HANDSHAKE_MS,
    insecureHTTPParser: true,
    requireHostHeader: false,
    headersTimeout: HEAD_MS,
    requestTimeout: 30_000,
    keepAliveTimeout: IDLE_MS,
    maxHeaderSize: 16_384,
    noDelay: true,
    // Perl clients send upgrade headers with stop_vm too: such a request is an ordinary one.
    shouldUpgradeCallback: (request) => {
      const { path } = targetOf(request)
      return path === CONNECT_PATH || parts.browser.owns(path)
    },
  })
  server.maxConnections = MAX_CONNECTIONS
  server.on('request', (request, response) => {
    const { path } = targetOf(request)
    if (parts.nx.owns(path)) void parts.nx.handle(fromIncoming(request), replyTo(response))
    else parts.portal(request, response)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    streams.add(socket)
    socket.once('close', () => streams.delete(socket))
    const { path } = targetOf(request)
    const connected =
      path === CONNECT_PATH
        ? parts.nx.connect(fromIncoming(request), socket, head, parts.stopping)
        : parts.browser.connect(request, socket, head, parts.stopping)
    connected.catch((error: unknown) => {
      parts.log.error('upgrade failed', { error })
      socket.destroy()
    })
  })
  server.on('clientError', (error, socket) => {
    if (socket.destroyed || !socket.writable) return
    parts.log.debug('not http', { reason: error.message })
    replyFault(replyOn(socket), new Fault('request.malformed'), parts.log)
  })
  server.on('tlsClientError', (error) => parts.log.debug('no tls', { reason: error.message }))
  await listen(server, parts)
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      for (const stream of streams) stream.destroy()
      await closed
    },
  }
}

function listen(server: ReturnType<typeof createServer>, { address, port }: DoorServerParts): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') reject(error)
      else reject(new Fault('node.portTaken', { port, address, key: 'l7r.port' }, { cause: error }))
    })
    server.listen({ port, ...(address === '*' ? {} : { host: address }) }, resolve)
  })
}
