import type { SeatFate } from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import { openAgentLink } from '../guest/agent-link.ts'
import { parseAgentAt } from '../model/agent-at.ts'
import { seatNow } from '../store/seats.ts'
import type { VmRow } from '../store/vms.ts'
import { requireAccess, type Visitor } from './access.ts'
import { asking } from './asking.ts'
import type { DoorParts } from './open-desktop.ts'
import { endFault, isSeatEnd, lossFault } from './seat-end.ts'

const SETTLE_MS = 2_000
const POLL_MS = 100

/**
 * Tells a client whose stream has ended what has become of her seat (docs/decisions/0056). Any door can: it is in the row.
 * @param text the seat, as the header of the 101 told it.
 * @throws Fault `request.invalid`, `database.unavailable`, or as `requireAccess`.
 */
export async function seatFate(
  parts: DoorParts,
  visitor: Visitor,
  text: string | undefined,
): Promise<SeatFate> {
  const match = /^(\d{1,9})\.(\d{1,9})$/.exec(text ?? '')
  if (match === null) throw new Fault('request.invalid', { problem: 'seat is none' })
  const [vmId, epoch] = [Number(match[1]), Number(match[2])]
  const { vm } = await requireAccess(parts, visitor, vmId, { kind: 'list' })
  const now = await asking(seatNow(parts.db, vmId))
  if (now === undefined || now.epoch < epoch) throw new Fault('request.invalid', { problem: 'seat is none' })
  if (now.epoch > epoch) return ended(lossFault(now))
  if (now.door !== null) return { fate: 'held' }
  const session = await sessionAfter(parts, vm)
  if (now.endedBy === null || !isSeatEnd(now.endedBy)) return { fate: 'free', isOver: session === 'over' }
  if (now.endedBy === 'door:display' && session === 'left') return ended(new Fault('desktop.left'))
  return ended(endFault(now.endedBy))
}

/**
 * How a session goes on whose stream has ended: nxagent closes that alike when it suspends and when it ends.
 * @returns `undefined` when no agent tells.
 */
async function sessionAfter(parts: DoorParts, vm: VmRow): Promise<'left' | 'over' | undefined> {
  if (vm.state !== 'running') return 'over'
  const at = { desktop: vm.id, epoch: vm.epoch, ...parseAgentAt(vm) }
  const { client } = openAgentLink(at, parts.identity(), parts.lines)
  try {
    // What the agent has not seen yet it sees in a moment.
    const until = systemClock.now() + SETTLE_MS
    for (;;) {
      const { state } = await client.x_state({})
      if (state !== 'connected' || systemClock.now() >= until)
        return state === 'stopping' || state === 'stopped' ? 'over' : 'left'
      await systemClock.sleep(POLL_MS)
    }
  } catch (error) {
    parts.log.debug('no agent tells how the session stands', { vm: vm.id, error })
    return undefined
  }
}

function ended(fault: Fault): SeatFate {
  return { fate: 'ended', why: fault.toJSON() }
}
