import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Hypervisor } from '../../hypervisor/hypervisor.ts'
import { resetDuty } from '../../model/pool.ts'
import type { Db } from '../../store/open.ts'
import { confirmReset, readResetFacts } from '../../store/pools.ts'
import { holdVm } from '../../store/start-queue.ts'

/**
 * Resets a desktop of a pool that is nobody's any more, if something of it is on this node: what it has written is removed,
 * then looked for, and only what was found empty is written down as that. Called in the desktop's own series, so nothing
 * starts it meanwhile; an interrupted reset is simply done again.
 *
 * @returns whether the desktop may go on: false while it holds data of somebody who has it no more.
 * @throws Fault `desktop.notReset` when something is left, or what the driver throws.
 */
export async function resetIfDue(
  { db, hostId, log }: { readonly db: Db; readonly hostId: number; readonly log: Log },
  vm: { readonly id: number; readonly poolId: number | null },
  hypervisor: Hypervisor,
): Promise<boolean> {
  if (vm.poolId === null) return true
  const facts = await readResetFacts(db, vm.id)
  if (facts === undefined) return true
  const duty = resetDuty(facts, hostId, hypervisor.observe(vm.id).processes === 'absent')
  if (duty === undefined) return true
  if (duty === 'wait') return false
  try {
    if (duty === 'remove') await hypervisor.reset(vm.id)
    const left = await hypervisor.written(vm.id)
    if (left.length > 0) throw new Fault('desktop.notReset', { desktop: vm.id, left: left.join(', ') })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    await holdVm(db, vm.id, `it was not reset: ${reason}`)
    throw error
  }
  await holdVm(db, vm.id, null)
  const clean = await confirmReset(db, vm.id, hostId)
  log.info('desktop was reset', { vm: vm.id, ofUser: facts.dirtyOf, clean })
  return false // its row is another one now: look again
}
