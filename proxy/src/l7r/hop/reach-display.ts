import { Fault } from '@ostler/contract/fault.ts'
import type { SocketKind } from '@ostler/contract/identity.ts'
import { roleOf } from '@ostler/contract/identity.ts'
import { randomBytes } from 'node:crypto'
import type { DisplaySocket } from '../../display/display-socket.ts'
import { connectFarDisplay } from '../../display/far-display.ts'
import { type CallerIdentity, secureContextOf } from '../../guest/agent-link.ts'
import { TICKET_SECONDS } from '../../model/ticket.ts'
import { digestOf } from '../../model/ticket-text.ts'
import { findDoor } from '../../store/hosts.ts'
import type { Db } from '../../store/open.ts'
import { addTicket } from '../../store/tickets.ts'
import type { HostWatch } from '../host-watch.ts'
import type { Reach } from '../open-desktop.ts'
import { HOP_MS, HOP_NAME, HOP_PROTOCOL, takeHopAnswer, TICKET_BYTES } from './hop-words.ts'

export interface ReachParts {
  readonly db: Db
  readonly host: HostWatch
  /** Reaches those of this node. */
  readonly here: Reach
  /** What we show to other doors, as hkd last issued it. */
  readonly identity: () => CallerIdentity
  /** This door, as NODE/PID. */
  readonly door: string
}

/** Reaches displays, on another node by a hop to its door. */
export function reachEverywhere(parts: ReachParts): Reach {
  return async (vm, kind, signal) => {
    const { id, epoch, hostId } = vm
    const isHere = hostId === null || hostId === parts.host.id
    return await (isHere ? parts.here(vm, kind, signal) : hop(parts, { id, epoch, hostId }, kind, signal))
  }
}

async function hop(
  { db, identity, door }: ReachParts,
  vm: { readonly id: number; readonly epoch: number; readonly hostId: number },
  kind: SocketKind,
  signal: AbortSignal,
): Promise<DisplaySocket> {
  const place = await findDoor(db, vm.hostId)
  const unreachable = (cause: unknown): Fault => {
    const words = reasonOf(cause).replaceAll('\n', ' ')
    const reason = `hop to the door of node ${place?.node ?? vm.hostId}: ${words}`
    return new Fault('display.unreachable', { desktop: vm.id, reason }, { cause })
  }
  if (place === undefined || place.address === null || place.port === null)
    throw unreachable('it has not said where it is')
  const ticket = randomBytes(TICKET_BYTES)
  await addTicket(db, {
    digest: digestOf(ticket),
    kind: 'hop',
    vmId: vm.id,
    epoch: vm.epoch,
    by: door,
    detail: { socket: kind },
    seconds: TICKET_SECONDS,
  })
  try {
    return await connectFarDisplay({
      tls: {
        host: place.address,
        port: place.port,
        servername: HOP_NAME,
        secureContext: secureContextOf(identity()),
        checkServerIdentity: (_, { subjectaltname }) =>
          roleOf(subjectaltname) === 'l7r' ? undefined : new Error('its certificate is not that of a door'),
      },
      protocol: HOP_PROTOCOL,
      request: ticket,
      takeAnswer: takeHopAnswer,
      ms: HOP_MS,
      signal,
    })
  } catch (error) {
    signal.throwIfAborted()
    throw unreachable(error)
  }
}

/** What the other door says of the desktop is said once. */
function reasonOf(cause: unknown): string {
  if (cause instanceof Fault && cause.code === 'display.unreachable')
    return String(cause.detail['reason'] ?? '')
  return cause instanceof Error ? cause.message : String(cause)
}
