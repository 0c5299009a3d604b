import { hypervisorSuite } from './suite.ts'
import { lxcRoom } from './lxc-room.ts'

hypervisorSuite('lxc', lxcRoom, { desktops: 4, sequences: 12, verbs: 10, endMs: 15_000 })
