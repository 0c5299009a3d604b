import { CONNECTION_HEADER } from '@ostler/contract/connection-id.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { DISPLAY_TICKET_PATH } from '@ostler/contract/desktop.ts'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { SignedIn, SignInDesk } from '../../auth/sign-in.ts'
import { readSpiceLink } from '../../display/spice-link.ts'
import { spiceRecords } from '../../display/spice-records.ts'
import { DISPLAY_TICKETS, MAX_TICKET_USES } from '../../model/ticket.ts'
import { digestOf } from '../../model/ticket-text.ts'
import { type Ticket, takeTicket } from '../../store/tickets.ts'
import { readAuthParameters } from '../../store/tokens.ts'
import { findVm } from '../../store/vms.ts'
import { asking } from '../asking.ts'
import { carry } from './carry.ts'
import { bindTicket, DISPLAY_TICKET } from './display-tickets.ts'
import { fromIncoming } from '../http/request.ts'
import { closing, type DoorParts, openDesktop } from '../open-desktop.ts'
import { interimProgress, replyFault, replyOn } from '../respond.ts'
import { Visit } from '../visit.ts'

/**
 * Displays for whoever has a ticket: by an upgrade with the ticket as bearer, and by `CONNECT` with the ticket as the
 * name of the host, which is what viewers do that know the door as their proxy.
 */
export interface TicketedDisplay {
  owns(path: string): boolean
  /** An upgrade or a `CONNECT`, on its raw socket. */
  connect(request: IncomingMessage, socket: Duplex, head: Buffer, signal: AbortSignal): Promise<void>
}

/** What the answer to a request says before the stream begins. */
interface Opener {
  readonly ticket: string
  readonly kinds: readonly Ticket['kind'][]
  /** Its head without the last lines. */
  readonly opened: string
  readonly status: number
  readonly progress: (text: string) => void
}

export function ticketedDisplay(parts: DoorParts, desk: SignInDesk): TicketedDisplay {
  return {
    owns: (path) => path === DISPLAY_TICKET_PATH,
    connect: async (request, socket, head, stopping) => {
      const { method, connection } = fromIncoming(request)
      // A ticket may stand where the path would.
      const visit = new Visit(parts, { method, path: DISPLAY_TICKET_PATH, connection }, DISPLAY_TICKET_PATH)
      const reply = visit.watch(replyOn(socket))
      try {
        using interim = interimProgress(reply)
        const opener =
          request.method === 'CONNECT' ? readConnect(request) : readUpgrade(request, interim.progress)
        await open({ parts, desk, request, socket, head, stopping, visit }, opener, () =>
          interim[Symbol.dispose](),
        )
      } catch (error) {
        if (socket.destroyed) visit.answered(0, 0)
        else replyFault(reply, error, visit.log)
      }
    },
  }
}

function readConnect(request: IncomingMessage): Opener {
  const ticket = (request.url ?? '').replace(/:\d{1,5}$/, '')
  // Whoever speaks to a proxy expects no interim answers.
  return {
    ticket,
    kinds: DISPLAY_TICKETS,
    opened: 'HTTP/1.1 200 OK\r\n',
    status: 200,
    progress: () => {},
  }
}

function readUpgrade(request: IncomingMessage, progress: (text: string) => void): Opener {
  const token = request.headers.upgrade?.toLowerCase()
  const kinds = DISPLAY_TICKETS.filter((kind) => kind === token)
  if (token === undefined || kinds.length === 0)
    throw new Fault('request.upgradeRequired', { protocol: DISPLAY_TICKETS.join(', ') })
  const ticket = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
  const opened = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${token}\r\n`
  return { ticket, kinds, opened, status: 101, progress }
}

/** One connection that came with a ticket. */
interface Arrival {
  readonly parts: DoorParts
  readonly desk: SignInDesk
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  readonly stopping: AbortSignal
  readonly visit: Visit
}

async function open(arrival: Arrival, opener: Opener, quiet: () => void): Promise<void> {
  const { parts } = arrival
  parts.host.requireRegistered()
  parts.host.requireOpen()
  if (!DISPLAY_TICKET.test(opener.ticket)) throw new Fault('auth.required', { reason: 'no ticket' })
  const digest = digestOf(opener.ticket)
  const ticket = await asking(takeTicket(parts.db, digest, opener.kinds))
  if (ticket === undefined) throw new Fault('auth.required', { reason: 'a ticket that is not good' })
  arrival.visit.user = ticket.by
  const answer = (): Duplex => {
    quiet()
    const { request, socket } = arrival
    socket.write(`${opener.opened}${CONNECTION_HEADER}: ${fromIncoming(request).connection.id}\r\n\r\n`)
    arrival.visit.answered(opener.status, 0)
    return ticket.kind === 'spice' && request.method === 'CONNECT' ? spiceRecords(socket) : socket
  }
  const seat = ticket.detail['seat']
  if (typeof seat === 'number') return void (await join(arrival, ticket, seat, answer))
  // Its client is still on her way, and nobody else may come with her ticket.
  if (ticket.kind === 'spice' && ticket.usesLeft !== MAX_TICKET_USES - 1)
    throw new Fault('auth.required', { reason: 'a ticket that is in use' })
  await begin(arrival, ticket, digest, opener.progress, answer)
}

/** The first connection of a client: it claims the desktop. */
async function begin(
  { parts, desk, request, head, stopping, visit }: Arrival,
  ticket: Ticket,
  digest: Buffer,
  progress: (text: string) => void,
  answer: () => Duplex,
): Promise<void> {
  const display = DISPLAY_TICKETS.find((kind) => kind === ticket.kind)
  if (display === undefined) throw new Error(`a ticket for ${ticket.kind}`)
  const receivedAt = performance.now()
  const { connection } = fromIncoming(request)
  const signal = AbortSignal.any([stopping, connection.closed])
  const opened = await openDesktop(
    parts,
    {
      guest: await guestOf(parts, desk, ticket),
      address: connection.address,
      vmId: ticket.vmId,
      display,
      parameters: new Map(),
      receivedAt,
      log: visit.log,
    },
    progress,
    signal,
  )
  await using seat = opened.seat
  using _display = closing(opened.display)
  if (display === 'spice') await bindTicket(parts.db, digest, opened)
  seat.signal.throwIfAborted()
  const client = answer()
  const cut = AbortSignal.any([stopping, seat.signal])
  const count = parts.metrics.streamOpens(display, opened.display.socket)
  const { address } = connection
  const log = visit.log.child({ vm: ticket.vmId, user: ticket.by, display, address })
  await carry(opened, client, { head, signal: cut, count }, log)
}

/** A further channel of a SPICE client: it has the desktop as long as she has. */
async function join(
  { parts, request, head, stopping, visit }: Arrival,
  ticket: Ticket,
  epoch: number,
  answer: () => Duplex,
): Promise<void> {
  const receivedAt = performance.now()
  await using seat = await parts.seats.join(ticket.vmId, epoch)
  const vm = await findVm(parts.db, ticket.vmId)
  if (vm === undefined) throw new Fault('desktop.unknown')
  const { address, closed: left } = fromIncoming(request).connection
  const cut = AbortSignal.any([stopping, seat.signal])
  const display = await parts.reach(vm, 'spice', AbortSignal.any([cut, left]))
  using _display = closing(display)
  cut.throwIfAborted()
  const client = answer()
  const lines = visit.log.child({ vm: vm.id, user: ticket.by, display: 'spice', address })
  const link = await readSpiceLink(client, head, cut)
  const closed = String(ticket.detail['closed'] ?? '').split(',')
  // One that names no session would begin another one, and end that of who has the seat.
  if (link === undefined || link.session === 0 || closed.includes(String(link.channel))) {
    lines.info('channel refused', { seat: epoch, channel: link?.channel })
    return void client.destroy()
  }
  // How long she may stay is counted on her first channel; others may be idle while it is not.
  const opened = { seat, display, receivedAt, claimedAt: receivedAt, limits: { idleMs: 0, maxMs: 0 } }
  const count = parts.metrics.streamOpens('spice', display.socket)
  await carry(
    opened,
    client,
    { head: link.bytes, signal: cut, count },
    lines.child({ channel: link.channel }),
  )
}

/** Whom a ticket was made for, if she may still come in. Throws Fault `auth.required`. */
async function guestOf(parts: DoorParts, desk: SignInDesk, { detail }: Ticket): Promise<SignedIn> {
  const { user, parameters } = detail
  if (typeof user !== 'number' || typeof parameters !== 'number') throw new Fault('auth.required')
  const said = await readAuthParameters(parts.db, user, parameters)
  if (said === undefined) throw new Fault('auth.required')
  return await desk.byUserId(user, said)
}
