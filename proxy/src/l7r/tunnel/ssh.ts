import { reachPort } from '../../display/reach.ts'
import type { FarEnd } from './far-end.ts'

const SSH_PORT = 22

/** The desktop's ssh server, and no other port: its own keys prove which machine this is. */
export const sshEnd: FarEnd = {
  states: ['running'],
  open: ({ vm }) => reachPort(vm.id, 'the ssh port', { host: vm.address, port: SSH_PORT }),
}
