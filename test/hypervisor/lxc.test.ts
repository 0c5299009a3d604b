import { testHome } from '../fixtures/home.ts'
import { lxcRoom, NUMBERS } from './lxc-room.ts'
import { hypervisorSuite } from './suite.ts'

const CAN = { desktops: 4, sequences: 12, verbs: 10, endMs: 15_000, keeps: true }
hypervisorSuite('lxc', () => lxcRoom(), CAN)

hypervisorSuite('lxc, homes of a size', () => lxcRoom(NUMBERS, (id) => testHome(id, 'image', 16)), {
  ...CAN,
  sequences: 3,
})

hypervisorSuite('lxc whose root is the node’s', () => lxcRoom(null), {
  desktops: 2,
  sequences: 2,
  verbs: 5,
  endMs: 15_000,
})
