import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { displayOn } from '../../display/display-socket.ts'
import { MACHINE } from '../../model/hypervisor-kind.ts'
import { agentOf, type FarEnd, inTime } from './far-end.ts'

/**
 * A USB device of the user's machine, which the agent gives the desktop's kernel. Only virtual machines have one of their own
 * (docs/decisions/0069).
 */
export const usbEnd: FarEnd = {
  states: ['running'],
  open: async (tunnelling) => {
    const { vm } = tunnelling
    if (vm.hypervisor !== MACHINE)
      throw new Fault('usb.unavailable', { reason: 'it is no virtual machine, and has no kernel of its own' })
    using link = agentOf(tunnelling)
    try {
      return displayOn(await link.upgrade(upgradeApi.usb, {}, inTime(tunnelling)))
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'request.notFound') throw error
      throw new Fault('tunnel.unsupported', { desktop: vm.id, kind: 'USB devices' }, { cause: error })
    }
  },
}
