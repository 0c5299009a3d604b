import { Fault } from '@ostler/contract/fault.ts'
import { cause } from '@ostler/kit/log/cause.ts'
import type { SignedIn } from '../../auth/sign-in.ts'
import { AT_REST, type StartPlace } from '../../model/start-queue.ts'
import { addWaitingWish, renewWaitingWish, withdrawWish } from '../../store/start-queue.ts'
import { findVm, type VmRow, wishOutcome } from '../../store/vms.ts'
import { requireOpen } from '../access.ts'
import type { DoorParts } from '../open-desktop.ts'

/** How a start that somebody waits for is going. */
export type StartNews = { readonly kind: 'wished' | 'starting' } | Exclude<StartPlace, { kind: 'next' }>

/** A lost hint costs this much, not more. */
const TICK_MS = 2_000
/** So long a wish outlives the door of whom it is. */
const LEASE_SECONDS = 20
const RENEW_MS = 5_000

/**
 * Wishes the desktop up, if it is not, and waits until it runs. A user who goes away, or for whom it takes too long, no longer
 * wishes it: what has begun goes on, what waits for its turn does not begin.
 *
 * @throws Fault `desktop.startFailed` with hkd's reason, `desktop.startTimeout`, `desktop.queueTimeout`, or the signal's reason.
 */
export async function awaitRunning(
  parts: DoorParts,
  vm: VmRow,
  guest: SignedIn,
  tell: (news: StartNews) => void,
  signal: AbortSignal,
): Promise<VmRow> {
  if (vm.state === 'running') return vm
  const timeout = AbortSignal.timeout(parts.startMs)
  using news = parts.news.listen(vm.id, TICK_MS, AbortSignal.any([signal, timeout]))
  const { login: by } = guest
  const wish = await addWaitingWish(parts.db, {
    vmId: vm.id,
    by,
    reason: 'connect',
    seconds: LEASE_SECONDS,
    connection: cause(),
  })
  let renewedAt = performance.now()
  let place: StartPlace = { kind: 'next' }
  try {
    tell({ kind: 'wished' })
    for (;;) {
      const row = await findVm(parts.db, vm.id)
      if (row === undefined) throw new Fault('desktop.unknown')
      if (row.state === 'running') return row
      requireOpen(row)
      const outcome = await wishOutcome(parts.db, wish)
      if (outcome !== undefined) {
        // State and outcome are written at once, perhaps just after the row was read.
        const now = await findVm(parts.db, vm.id)
        if (now?.state === 'running') return now
        // What was said of this wish; a fault in the row may be of an earlier start.
        throw new Fault('desktop.startFailed', { reason: outcome || (now?.fault ?? '') })
      }
      place = AT_REST.includes(row.state) ? await parts.line.placeOf(vm.id) : { kind: 'next' }
      tell(place.kind === 'next' ? { kind: 'starting' } : place)
      await news.next().catch((error: unknown) => {
        throw timeout.aborted && !signal.aborted ? tooLong(place, parts.startMs) : error
      })
      if (performance.now() - renewedAt < RENEW_MS) continue
      await renewWaitingWish(parts.db, wish, LEASE_SECONDS)
      renewedAt = performance.now()
    }
  } catch (error) {
    await withdrawWish(parts.db, wish).catch((failure: unknown) =>
      parts.log.warn('a wish could not be withdrawn, it ends by itself', { vm: vm.id, error: failure }),
    )
    throw error
  }
}

/** The same in the words of a 102: QVD's where QVD has them. */
export function startText(news: StartNews): string {
  switch (news.kind) {
    case 'wished':
      return 'Starting virtual machine'
    case 'starting':
      return "Waiting for VM to reach state 'running'"
    case 'queued':
      return `Waiting for a free slot, position ${news.position}`
    case 'held':
      return `Waiting: ${news.reason}`
  }
}

function tooLong(place: StartPlace, ms: number): Fault {
  if (place.kind === 'next') return new Fault('desktop.startTimeout')
  const reason = place.kind === 'held' ? place.reason : `it stood at position ${place.position}`
  return new Fault('desktop.queueTimeout', { seconds: Math.round(ms / 1_000), reason })
}
