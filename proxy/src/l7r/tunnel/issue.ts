import { Fault } from '@ostler/contract/fault.ts'
import { type TunnelTicket, USER_TUNNELS, type UserTunnel } from '@ostler/contract/tunnel.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { PolicyWish } from '../../model/policy.ts'
import { TICKET_SECONDS } from '../../model/ticket.ts'
import { makeTicket } from '../../model/ticket-text.ts'
import { addTicket } from '../../store/tickets.ts'
import { tunnelGrounds } from '../../store/tunnels.ts'
import { type AccessParts, requireAccess, type Visitor } from '../access.ts'

/** What a user must be allowed to for a kind of tunnel. */
const WISH: Readonly<Record<UserTunnel, PolicyWish>> = {
  support: { kind: 'look on' },
  folder: { kind: 'share' },
  usb: { kind: 'share usb' },
}

/**
 * Gives a signed-in user a ticket for a tunnel: folders or USB devices of hers into her own desktop, as long as nobody else has
 * claimed it, or a look at a session of somebody else, who is asked first.
 *
 * @throws as `requireAccess`, and Fault `desktop.notRunning`, or `request.invalid` for another kind.
 */
export async function issueTunnelTicket(
  parts: AccessParts & { readonly log: Log },
  visitor: Visitor,
  vmId: number,
  kind: string | undefined,
): Promise<TunnelTicket> {
  const known = USER_TUNNELS.find((each) => each === kind)
  if (known === undefined)
    throw new Fault('request.invalid', { problem: `kind must be one of ${USER_TUNNELS.join(', ')}` })
  const { vm } = await requireAccess(parts, visitor, vmId, WISH[known])
  const ground = (await tunnelGrounds(parts.db, [vm.id])).get(vm.id)
  if (ground?.state !== 'running') throw new Fault('desktop.notRunning')
  const { text, digest } = makeTicket()
  const { login } = visitor.guest
  await addTicket(parts.db, {
    digest,
    kind: known,
    vmId: vm.id,
    epoch: ground.epoch,
    by: login,
    detail: known === 'support' ? {} : { seat: ground.seat },
    seconds: TICKET_SECONDS,
  })
  const about = { audit: true, kind: known, vm: vm.id, by: login, from: visitor.address }
  parts.log.info('tunnel ticket given', about)
  return { ticket: text, seconds: TICKET_SECONDS }
}
