import { CONNECTION_HEADER } from '@ostler/contract/connection-id.ts'
import { consoleApi } from '@ostler/contract/console-frames.ts'
import { Fault } from '@ostler/contract/fault.ts'
import {
  TICKET_PROTOCOL,
  TUNNEL_KINDS,
  TUNNEL_PATH,
  TUNNEL_SOCKET_PATH,
  TUNNEL_UPGRADE,
  type TunnelKind,
} from '@ostler/contract/tunnel.ts'
import type { Log } from '@ostler/kit/log.ts'
import { onAbort } from '@ostler/kit/on-abort.ts'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { DisplaySocket } from '../../display/display-socket.ts'
import { splice } from '../../display/splice.ts'
import { ticketDigest } from '../../model/ticket-text.ts'
import { takeTicket, type Ticket } from '../../store/tickets.ts'
import { findVm, type VmRow } from '../../store/vms.ts'
import type { BrowserDisplay } from '../viewer/browser-display.ts'
import { closeWith, takeBrowser } from '../viewer/browser-stream.ts'
import { type Connection, connectionOf, type DoorRequest, fromIncoming } from '../http/request.ts'
import type { DoorParts } from '../open-desktop.ts'
import { requireSameHost } from '../portal/portal.ts'
import { asFault, interimProgress, type Reply, replyOn } from '../respond.ts'
import { asking } from '../asking.ts'
import { Visit } from '../visit.ts'
import { consoleEnd } from './console.ts'
import type { FarEnd } from './far-end.ts'
import { folderEnd } from './folder.ts'
import type { KeptTunnel, TunnelKeeper } from './keeper.ts'
import { serialEnd } from './serial.ts'
import { sshEnd } from './ssh.ts'
import { supportEnd } from './support.ts'
import { usbEnd } from './usb.ts'

const FAR_ENDS: Readonly<Record<TunnelKind, FarEnd>> = {
  console: consoleEnd,
  support: supportEnd,
  serial: serialEnd,
  ssh: sshEnd,
  folder: folderEnd,
  usb: usbEnd,
}
/** What a browser sends at once: more is nobody's typing. */
const MAX_MESSAGE = 1 << 20

/** Where tunnels begin, for clients and for browsers. */
export interface TunnelDoor {
  /** `TUNNEL_PATH` with upgrade headers, on its raw socket. Never rejects. */
  connect(request: DoorRequest, socket: Duplex, head: Buffer, signal: AbortSignal): Promise<void>
  /** The same as a WebSocket, at `TUNNEL_SOCKET_PATH`. */
  readonly browser: BrowserDisplay
}

/** A far end that is reached, and what it may go on for. */
interface OpenTunnel extends Disposable {
  readonly far: DisplaySocket
  readonly vm: VmRow
  readonly ticket: Ticket
  readonly kept: KeptTunnel
}

export function tunnelDoor(parts: DoorParts, keeper: TunnelKeeper): TunnelDoor {
  return {
    connect: async (request, socket, head, stopping) => {
      const visit = new Visit(parts, request, TUNNEL_PATH)
      const reply = visit.watch(replyOn(socket))
      try {
        await connect({ parts, keeper, visit }, request, { socket, reply, head }, stopping)
      } catch (error) {
        if (socket.destroyed) visit.answered(0, 0)
        else replyRefusal(reply, error, visit.log)
      }
    },
    browser: browserTunnel(parts, keeper),
  }
}

interface Opening {
  readonly parts: DoorParts
  readonly keeper: TunnelKeeper
  readonly visit: Visit
}

/** One client, from its request to the end of its stream. */
async function connect(
  opening: Opening,
  request: DoorRequest,
  { socket, reply, head }: { readonly socket: Duplex; readonly reply: Reply; readonly head: Buffer },
  stopping: AbortSignal,
): Promise<void> {
  const { headers, connection } = request
  if (headers.get('upgrade')?.toLowerCase() !== TUNNEL_UPGRADE)
    throw new Fault('request.upgradeRequired', { protocol: TUNNEL_UPGRADE })
  const shown = /^Bearer ([\w-]+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  const signal = AbortSignal.any([stopping, connection.closed])
  using interim = interimProgress(reply)
  interim.later('Opening the tunnel')
  using tunnel = await openTunnel(opening, shown, headers.get(consoleApi.sizeHeader), signal)
  interim[Symbol.dispose]()
  signal.throwIfAborted()
  // From here on no failure can be an HTTP status.
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${TUNNEL_UPGRADE}\r\n` +
      `${CONNECTION_HEADER}: ${connection.id}\r\n\r\n`,
  )
  opening.visit.answered(101, 0)
  await carryTunnel(opening, tunnel, socket, head, stopping, connection.address)
}

function browserTunnel(parts: DoorParts, keeper: TunnelKeeper): BrowserDisplay {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE,
    // The ticket is never said back.
    handleProtocols: (offered) => (offered.has(TUNNEL_UPGRADE) ? TUNNEL_UPGRADE : false),
  })
  server.on('headers', (headers, incoming) => {
    headers.push(`${CONNECTION_HEADER}: ${connectionOf(incoming.socket).id}`)
  })
  return {
    owns: (path) => path === TUNNEL_SOCKET_PATH,
    connect: async (incoming, socket, head, stopping) => {
      const { headers, method, path, connection } = fromIncoming(incoming)
      const visit = new Visit(parts, { method, path, connection }, TUNNEL_SOCKET_PATH)
      const reply = visit.watch(replyOn(socket))
      try {
        requireSameHost(incoming.headers.origin, incoming.headers.host)
        const offered = (headers.get('sec-websocket-protocol') ?? '').split(',').map((word) => word.trim())
        const shown = offered.find((word) => word.startsWith(TICKET_PROTOCOL))?.slice(TICKET_PROTOCOL.length)
        if (!offered.includes(TUNNEL_UPGRADE))
          throw new Fault('request.upgradeRequired', { protocol: TUNNEL_UPGRADE })
        const webSocket = await new Promise<WebSocket>((resolve) =>
          server.handleUpgrade(incoming, socket, head, resolve),
        )
        visit.answered(101, 0)
        await showTunnel({ parts, keeper, visit }, webSocket, shown, stopping, connection)
      } catch (error) {
        if (socket.destroyed || socket.writableEnded) visit.answered(0, 0)
        else replyRefusal(reply, error, visit.log)
      }
    },
  }
}

/** One browser. A failure closes its WebSocket with a code and a sentence. */
async function showTunnel(
  opening: Opening,
  webSocket: WebSocket,
  shown: string | undefined,
  stopping: AbortSignal,
  { id, address }: Connection,
): Promise<void> {
  const { log } = opening.visit
  using browser = takeBrowser(webSocket)
  try {
    using tunnel = await openTunnel(opening, shown, undefined, AbortSignal.any([browser.left, stopping]))
    // Said before the stream goes.
    const cut = AbortSignal.any([stopping, tunnel.kept.signal])
    using _telling = onAbort(cut, (reason) => closeWith(webSocket, reason, log, id))
    await carryTunnel(opening, tunnel, browser.stream, undefined, stopping, address)
    webSocket.close(1000)
  } catch (error) {
    closeWith(webSocket, error, log, id)
  }
}

/**
 * Takes a ticket and connects to what it opens.
 * @throws Fault `tunnel.ticket` for any ticket that opens nothing, which says nothing about why; `database.unavailable`
 *   when nobody could tell; and as the far end does.
 */
async function openTunnel(
  { parts, keeper, visit }: Opening,
  shown: string | undefined,
  size: string | undefined,
  signal: AbortSignal,
): Promise<OpenTunnel> {
  const digest = ticketDigest(shown)
  const ticket = digest === undefined ? undefined : await asking(takeTicket(parts.db, digest, TUNNEL_KINDS))
  if (digest === undefined || ticket === undefined) throw new Fault('tunnel.ticket')
  const vm = await asking(findVm(parts.db, ticket.vmId))
  if (vm?.epoch !== ticket.epoch) throw new Fault('tunnel.ticket')
  const end = FAR_ENDS[ticket.kind as TunnelKind]
  const { seat } = ticket.detail
  const base = { vmId: vm.id, epoch: vm.epoch, states: end.states }
  const kept = await keeper.keep({ ...base, seat: typeof seat === 'number' ? seat : undefined })
  try {
    const both = AbortSignal.any([signal, kept.signal])
    const far = await end.open({ parts, vm, ticket, digest, size, signal: both })
    const dispose = (): void => {
      kept[Symbol.dispose]()
      far.socket.destroy()
    }
    if (!both.aborted) return { far, vm, ticket, kept, [Symbol.dispose]: dispose }
    dispose()
    throw both.reason
  } catch (error) {
    kept[Symbol.dispose]()
    visit.log.info('tunnel refused', { ...told(ticket), reason: error instanceof Error ? error.message : '' })
    throw error
  }
}

/** Carries the stream, and writes down who opened what, until when, and how much went through it. */
async function carryTunnel(
  { parts, visit }: Opening,
  { far, ticket, kept }: OpenTunnel,
  client: Duplex,
  head: Buffer | undefined,
  stopping: AbortSignal,
  from: string,
): Promise<void> {
  const about = { ...told(ticket), from }
  const { log } = visit
  visit.user = ticket.by
  log.info('tunnel opens', about)
  const signal = AbortSignal.any([stopping, kept.signal])
  const end = await splice(client, far, {
    ...(head === undefined ? {} : { head }),
    signal,
    limits: parts.streamLimits,
  })
  const { by, bytesToClient, bytesToDisplay } = end
  const reason: unknown = signal.reason
  const because = by === 'cut' && reason instanceof Error ? { because: reason.message } : {}
  const ended = by === 'display' ? 'desktop' : by
  log.info('tunnel ended', {
    ...about,
    end: ended,
    bytesToClient,
    bytesToDesktop: bytesToDisplay,
    ...because,
  })
}

function told({ kind, vmId, by }: Ticket) {
  return { audit: true, kind, vm: vmId, by }
}

/** Programs read this, so it is JSON; and nobody is asked for a password here. */
function replyRefusal(reply: Reply, error: unknown, log: Log): void {
  const fault = asFault(error, log)
  const headers = fault.status === 426 ? { Upgrade: TUNNEL_UPGRADE } : {}
  reply.final(fault.status, 'application/json', JSON.stringify(fault), headers)
}
