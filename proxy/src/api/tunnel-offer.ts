import type { tunnelBody } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { TunnelOffer } from '@ostler/contract/tunnel.ts'
import type { Log } from '@ostler/kit/log.ts'
import type * as z from 'zod'
import { TICKET_SECONDS } from '../model/ticket.ts'
import { makeTicket } from '../model/ticket-text.ts'
import type { VmState } from '../model/vm-machine.ts'
import { desktopByWord } from '../store/admin.ts'
import { orderConsole } from '../store/console-orders.ts'
import type { Db } from '../store/open.ts'
import { addTicket } from '../store/tickets.ts'

export type DoorPlace = TunnelOffer['door']

/** A serial line is there for the boot, too. */
const SERIAL_STATES: readonly VmState[] = ['booting', 'running', 'stopping']

/**
 * Gives an administrator a ticket for a tunnel to a desktop, and writes down that she has it.
 *
 * @param word the desktop's name or number.
 * @throws Fault `object.unknown`, `desktop.notRunning`.
 */
export async function offerTunnel(
  db: Db,
  word: string,
  { kind, account, person }: z.output<typeof tunnelBody>,
  door: DoorPlace,
  log: Log,
): Promise<TunnelOffer> {
  const { id, name, state, epoch } = await desktopByWord(db, word)
  const states = kind === 'serial' ? SERIAL_STATES : (['running'] as const)
  if (!states.some((good) => good === state)) throw new Fault('desktop.notRunning')
  const { text, digest } = makeTicket()
  const ticket = { digest, vmId: id, epoch, by: person, seconds: TICKET_SECONDS }
  if (kind === 'console') await orderConsole(db, ticket, account)
  else await addTicket(db, { ...ticket, kind })
  log.info('tunnel ticket given', {
    audit: true,
    kind,
    vm: id,
    by: person,
    ...(kind === 'console' ? { account } : {}),
  })
  return { ticket: text, seconds: TICKET_SECONDS, desktop: { id, name }, door }
}
