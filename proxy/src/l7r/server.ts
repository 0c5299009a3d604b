import { Fault, type FaultCode } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { causedBy } from '@ostler/kit/log/cause.ts'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { BrowserDisplay } from './viewer/browser-display.ts'
import type { DoorMetrics } from './door-metrics.ts'
import { isStreamPath, type QvdEndpoints } from './qvd-endpoints.ts'
import { type DialectTimes, speakDialect } from './http/dialect.ts'
import { connectionOf, fromIncoming, parseTarget } from './http/request.ts'
import type { HopEntry } from './listen/hop-tls.ts'
import type { TicketedDisplay } from './viewer/ticketed-display.ts'
import { DeadLines } from './listen/dead-lines.ts'
import { type DoorListener, type ListenSettings, openListener } from './listen/listener.ts'
import { replyAtOnce, replyFault, replyTo } from './respond.ts'

export interface DoorServerParts {
  readonly listen: ListenSettings
  /** Doors of other nodes; without it none is let in. */
  readonly hop?: HopEntry
  readonly nx: QvdEndpoints
  readonly browser: BrowserDisplay
  readonly ticketed: TicketedDisplay
  readonly portal: (request: IncomingMessage, response: ServerResponse) => void
  /** Milliseconds of silence after which a client's kernel is asked whether she is there; 0: never. */
  readonly keepAliveMs: number
  readonly metrics: DoorMetrics
  readonly times?: Partial<DialectTimes>
  readonly stopping: AbortSignal
  readonly log: Log
}

/** The C client keeps its list connection open and idle; it does without when we close it. */
const TIMES: DialectTimes = { headMs: 10_000, idleMs: 600_000, writeMs: 30_000 }
const BODY_MS = 30_000
/** A browser soon opens another one. Longer than balancers keep theirs, or they would send into a closed one. */
const PAGES_IDLE_MS = 75_000
/** The last of them is told to open another connection. */
const MAX_REQUESTS = 10_000
const MAX_HEAD = 16_384
const SWEEP_MS = 250
/** For so long a kernel asks whether a silent client is there: ten times, once a second. */
const ASKED_MS = 10_000

/**
 * The door's one port. Requests below `/qvd/` are read and answered by ourselves, as QVD's clients write them; every
 * other connection is Node's, whose parser is strict.
 *
 * @throws Fault as `openListener`.
 */
export async function serveDoor(parts: DoorServerParts): Promise<DoorListener> {
  const times = { ...TIMES, ...parts.times }
  const pages = servePages(parts, times)
  const draining = new AbortController()
  const lines = new DeadLines()
  const dialect = {
    ...parts,
    times,
    draining: draining.signal,
    handOver: (socket: Socket) => void pages.emit('connection', socket),
  }
  const listener = await openListener(
    parts.listen,
    (socket, connection) => {
      const full = socket instanceof TLSSocket && !socket.isSessionReused()
      parts.metrics.connected(socket instanceof TLSSocket ? (full ? 'full' : 'resumed') : 'plain', socket)
      if (parts.keepAliveMs > 0) {
        socket.setKeepAlive(true, parts.keepAliveMs)
        lines.watch(socket, parts.keepAliveMs + ASKED_MS)
      }
      void causedBy(connection.id, () => speakDialect(socket, connection, dialect))
    },
    parts.log,
    parts.hop,
  )
  return {
    port: listener.port,
    drained: async () => {
      draining.abort()
      // A connection of Node's that answers just now is idle a little later.
      const sweep = setInterval(() => pages.closeIdleConnections(), SWEEP_MS)
      await listener.drained()
      clearInterval(sweep)
    },
    [Symbol.asyncDispose]: async () => {
      await listener[Symbol.asyncDispose]()
      lines[Symbol.dispose]()
      pages.close()
    },
  }
}

/** Node's server for the portal. It has no listener of its own: connections are given to it. */
function servePages(parts: DoorServerParts, times: DialectTimes): Server {
  const server = createServer({
    headersTimeout: times.headMs,
    requestTimeout: Math.max(BODY_MS, times.headMs),
    connectionsCheckingInterval: Math.min(5_000, times.headMs),
    keepAliveTimeout: Math.min(times.idleMs, PAGES_IDLE_MS),
    maxHeaderSize: MAX_HEAD,
    // Perl clients send upgrade headers with stop_vm too: such a request is an ordinary one.
    shouldUpgradeCallback: (request) => {
      const { path } = parseTarget(request.url ?? '')
      return isStreamPath(path) || parts.browser.owns(path) || parts.ticketed.owns(path)
    },
  })
  server.maxRequestsPerSocket = MAX_REQUESTS
  server.on('request', (request, response) => {
    const { path } = parseTarget(request.url ?? '')
    causedBy(connectionOf(request.socket).id, () => {
      if (parts.nx.owns(path)) void parts.nx.handle(fromIncoming(request), replyTo(response))
      else parts.portal(request, response)
    })
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const { path } = parseTarget(request.url ?? '')
    const connected = causedBy(connectionOf(request.socket).id, () =>
      isStreamPath(path)
        ? parts.nx.connect(fromIncoming(request), socket, head, parts.stopping)
        : (parts.ticketed.owns(path) ? parts.ticketed : parts.browser).connect(
            request,
            socket,
            head,
            parts.stopping,
          ),
    )
    connected.catch((error: unknown) => {
      parts.log.error('upgrade failed', { error })
      socket.destroy()
    })
  })
  server.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const connected = causedBy(connectionOf(request.socket).id, () =>
      parts.ticketed.connect(request, socket, head, parts.stopping),
    )
    connected.catch((error: unknown) => {
      parts.log.error('viewer failed', { error })
      socket.destroy()
    })
  })
  const refused = new WeakSet<Duplex>()
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // It comes again with every piece that the client goes on to send.
    if (socket.destroyed || !socket.writable || refused.has(socket)) return
    refused.add(socket)
    parts.log.debug('not http', { reason: error.message })
    replyFault(replyAtOnce(socket), new Fault(FAULT_OF[error.code ?? ''] ?? 'request.malformed'), parts.log)
  })
  // Begins the watch over slow heads and bodies, which else comes with a listener of its own.
  server.emit('listening')
  return server
}

const FAULT_OF: Readonly<Record<string, FaultCode>> = {
  HPE_HEADER_OVERFLOW: 'request.tooLarge',
  ERR_HTTP_REQUEST_TIMEOUT: 'request.tooSlow',
}
