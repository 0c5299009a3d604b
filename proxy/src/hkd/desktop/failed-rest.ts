import { Fault } from '@ostler/contract/fault.ts'
import type { Retry } from '../../model/start-retry.ts'
import { isPersistent, ONE_TIME_WISHES } from '../../model/wish.ts'
import type { Db } from '../../store/open.ts'
import { holdVm } from '../../store/start-queue.ts'
import { serveWishes, type VmPlan } from '../../store/vms.ts'

/**
 * Tells whoever waits for a failed desktop why it may not be tried now; what is wished by itself waits for its time.
 * @returns after how many milliseconds to look again.
 */
export async function letRest(db: Db, plan: VmPlan, retry: Retry): Promise<number> {
  const { id, name, failures } = plan
  const reason = plan.fault ?? 'nobody knows why'
  if (retry.kind === 'now') return Infinity // decided on otherwise
  if (retry.kind === 'later') {
    const at = plan.nextTryAt?.toISOString() ?? 'once'
    await holdVm(db, id, `it is tried again at ${at}, after failure ${failures} in a row: ${reason}`)
    return retry.inMs + 10
  }
  const { message, advice } = new Fault('desktop.givenUp', { failures, reason, name })
  await holdVm(db, id, message)
  const isAsked = plan.wishes.some((wish) => ONE_TIME_WISHES.up.includes(wish.kind) && !isPersistent(wish))
  if (isAsked) await serveWishes(db, id, 'up', `${message}. ${advice}`, true)
  return Infinity
}
