import type { DesktopListItem } from '@ostler/contract/desktop.ts'
import { vmMachine } from '../model/vm-machine.ts'
import type { ListedDesktop } from './access.ts'

/** A desktop as its owner's clients see it. */
export function listItem(vm: ListedDesktop): DesktopListItem {
  return {
    id: vm.id,
    name: vm.name,
    state: vmMachine[vm.state].qvd,
    blocked: vm.blocked || vm.maintenance !== null ? 1 : 0,
    is_application: vm.isApplication ? 1 : 0,
  }
}
