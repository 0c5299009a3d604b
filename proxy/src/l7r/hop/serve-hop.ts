import { Fault } from '@ostler/contract/fault.ts'
import { DISPLAY_SOCKETS, type SocketKind } from '@ostler/contract/identity.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Socket } from 'node:net'
import type { DisplaySocket } from '../../display/display-socket.ts'
import { splice } from '../../display/splice.ts'
import { digestOf } from '../../model/ticket-text.ts'
import type { Db } from '../../store/open.ts'
import { takeTicket, type Ticket } from '../../store/tickets.ts'
import { findVm } from '../../store/vms.ts'
import type { HostWatch } from '../host-watch.ts'
import { SocketInput } from '../listen/socket-input.ts'
import type { Reach } from '../open-desktop.ts'
import { asFault, closeGently } from '../respond.ts'
import { HOP_MS, hopAnswer, TICKET_BYTES } from './hop-words.ts'

export interface HopParts {
  readonly db: Db
  readonly host: HostWatch
  /** Reaches displays of this node. */
  readonly here: Reach
  /** Cuts what is carried. */
  readonly stopping: AbortSignal
  readonly log: Log
}

/** A door whose node is gone without a word is missed soon: its display takes no second client. */
const KEEP_ALIVE_MS = 10_000

/** Carries displays of this node for doors of others. They have proved to be doors before they come here. */
export function serveHops(parts: HopParts): (socket: Socket, address: string) => void {
  return (socket, address) => {
    serveHop(parts, socket, address).catch((error: unknown) => {
      parts.log.error('hop failed', { address, error })
      socket.destroy()
    })
  }
}

async function serveHop(parts: HopParts, socket: Socket, address: string): Promise<void> {
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  const asked = await readTicket(socket)
  if (asked === undefined) {
    parts.log.warn('hop without a ticket', { address })
    return void socket.destroy()
  }
  let opened: { readonly display: DisplaySocket; readonly ticket: Ticket }
  try {
    opened = await openHere(parts, asked.digest)
  } catch (error) {
    const fault = asFault(error, parts.log)
    parts.log.warn('hop refused', { address, fault: fault.code, reason: fault.message })
    if (!socket.destroyed) {
      socket.write(hopAnswer(fault))
      closeGently(socket)
    }
    return
  }
  const { display, ticket } = opened
  const log = parts.log.child({ vm: ticket.vmId, for: ticket.by, display: ticket.detail['socket'] })
  log.info('hop opens', { address })
  if (!socket.destroyed) socket.write(hopAnswer(undefined))
  const end = await splice(socket, display, { head: asked.rest, signal: parts.stopping })
  log.info('hop ended', { ...end })
}

/** What a door says first; `undefined` when it does not in time. */
async function readTicket(socket: Socket): Promise<{ digest: Buffer; rest: Buffer } | undefined> {
  const input = new SocketInput(socket)
  try {
    const until = performance.now() + HOP_MS
    for (let bytes = Buffer.alloc(0); ;) {
      if (bytes.length >= TICKET_BYTES)
        return { digest: digestOf(bytes.subarray(0, TICKET_BYTES)), rest: bytes.subarray(TICKET_BYTES) }
      const chunk = await input.read(until - performance.now())
      if (typeof chunk === 'string') return undefined
      bytes = Buffer.concat([bytes, chunk])
    }
  } finally {
    input.release()
  }
}

/** @throws Fault `display.unreachable`: a bad ticket, or no such display here. */
async function openHere(
  { db, host, here, stopping }: HopParts,
  digest: Buffer,
): Promise<{ display: DisplaySocket; ticket: Ticket }> {
  const ticket = await takeTicket(db, digest, ['hop'])
  // Which desktop was meant is not known then.
  if (ticket === undefined)
    throw new Fault('display.unreachable', { desktop: '?', reason: 'the ticket is not good' })
  const refuse = (reason: string): Fault => new Fault('display.unreachable', { desktop: ticket.vmId, reason })
  const kind = ticket.detail['socket']
  if (!isSocketKind(kind)) throw refuse('the ticket names no display')
  const vm = await findVm(db, ticket.vmId)
  if (vm === undefined || host.id === undefined || vm.hostId !== host.id || vm.epoch !== ticket.epoch)
    throw refuse('the desktop does not run there')
  return { display: await here(vm, kind, stopping), ticket }
}

function isSocketKind(value: unknown): value is SocketKind {
  return typeof value === 'string' && Object.hasOwn(DISPLAY_SOCKETS, value)
}
