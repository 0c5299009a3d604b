import { hypervisorSuite } from './suite.ts'
import { lxcRoom } from './lxc-room.ts'

hypervisorSuite('lxc', lxcRoom, { desktops: 4, sequences: 12, verbs: 10, endMs: 15_000 })

hypervisorSuite('lxc whose root is the node’s', () => lxcRoom(null), {
  desktops: 2,
  sequences: 2,
  verbs: 5,
  endMs: 15_000,
})
