import { Fault } from '@ostler/contract/fault.ts'
import { reachPort } from '../../display/reach.ts'
import type { FarEnd } from './far-end.ts'

const SSH_PORT = 22

/** The desktop's ssh server, and no other port: its own keys prove which machine this is. */
export const sshEnd: FarEnd = {
  states: ['running'],
  open: async ({ vm }) => {
    if (vm.hypervisor === 'process') throw new Fault('tunnel.noNetwork', { desktop: vm.id })
    return await reachPort(vm.id, 'the ssh port', { host: vm.address, port: SSH_PORT })
  },
}
