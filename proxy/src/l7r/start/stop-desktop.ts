import { Fault } from '@ostler/contract/fault.ts'
import { cause } from '@ostler/kit/log/cause.ts'
import { AT_REST } from '../../model/start-queue.ts'
import { addWish, findVm } from '../../store/vms.ts'
import { requireAccess, type Visitor } from '../access.ts'
import type { DoorParts, Progress } from '../open-desktop.ts'

const TICK_MS = 2_000

/**
 * Stops a desktop and waits until it has stopped.
 * @throws as `requireAccess`, and Fault `desktop.unstoppable`, `desktop.stopTimeout`.
 */
export async function stopDesktop(
  parts: DoorParts,
  visitor: Visitor,
  vmId: number,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { vm } = await requireAccess(parts, visitor, vmId, { kind: 'stop' })
  if (AT_REST.includes(vm.state)) return
  if (vm.state === 'lost') throw new Fault('desktop.unstoppable', { state: 'zombie' })
  progress('Stopping virtual machine')
  const timeout = AbortSignal.timeout(parts.stopMs)
  using news = parts.news.listen(vm.id, TICK_MS, AbortSignal.any([signal, timeout]))
  await addWish(parts.db, {
    vmId: vm.id,
    kind: 'stop',
    by: visitor.guest.login,
    reason: 'stop_vm',
    connection: cause(),
  })
  for (;;) {
    const row = await findVm(parts.db, vm.id)
    if (row === undefined || AT_REST.includes(row.state)) return
    progress("Waiting for VM to reach state 'stopped'")
    await news.next().catch((error: unknown) => {
      throw timeout.aborted ? new Fault('desktop.stopTimeout') : error
    })
  }
}
