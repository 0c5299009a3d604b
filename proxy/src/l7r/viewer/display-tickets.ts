import { randomBytes } from 'node:crypto'
import type { SignedIn } from '../../auth/sign-in.ts'
import { closedChannels } from '../../model/display.ts'
import { DISPLAY_TICKET_SECONDS, type DisplayTicketKind, MAX_TICKET_USES } from '../../model/ticket.ts'
import { digestOf } from '../../model/ticket-text.ts'
import type { Db } from '../../store/open.ts'
import { addTicket, amendTicket, type NewTicket, type TicketDetail } from '../../store/tickets.ts'
import type { VmRow } from '../../store/vms.ts'
import type { OpenDesktop } from '../open-desktop.ts'
import { keepParameters } from '../tokens.ts'

/** Lower case letters and digits alone: some clients carry it as the name of a host. */
export const DISPLAY_TICKET = /^[0-9a-f]{40}$/

/** Makes a ticket with which a client who is known opens a display, once. */
export async function issueDisplayTicket(
  db: Db,
  guest: SignedIn,
  vm: VmRow,
  kind: DisplayTicketKind,
): Promise<string> {
  return await issue(db, {
    kind,
    vmId: vm.id,
    epoch: vm.epoch,
    by: guest.login,
    detail: { user: guest.user.id, parameters: await keepParameters(db, guest) },
    uses: kind === 'spice' ? MAX_TICKET_USES : 1,
  })
}

/** Makes a ticket for the further channels of a SPICE client who has a desktop open. */
export async function issueChannelTicket(
  db: Db,
  { vm, seat, grant }: OpenDesktop,
  by: string,
): Promise<string> {
  const detail = channelsOf({ seat, grant })
  return await issue(db, {
    kind: 'spice',
    vmId: vm.id,
    epoch: vm.epoch,
    by,
    detail,
    uses: MAX_TICKET_USES - 1,
  })
}

/** From now on a ticket opens further channels of the client who has come with it, and nothing else. */
export async function bindTicket(db: Db, digest: Buffer, opened: OpenDesktop): Promise<void> {
  await amendTicket(db, digest, channelsOf(opened))
}

function channelsOf({ seat, grant }: Pick<OpenDesktop, 'seat' | 'grant'>): TicketDetail {
  return { seat: seat.epoch, closed: closedChannels(grant).join(',') }
}

async function issue(db: Db, ticket: Omit<NewTicket, 'digest' | 'seconds'>): Promise<string> {
  const text = randomBytes(20).toString('hex')
  await addTicket(db, { ...ticket, digest: digestOf(text), seconds: DISPLAY_TICKET_SECONDS })
  return text
}
