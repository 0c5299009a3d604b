import { hypervisorSuite } from './suite.ts'
import { kvmRoom } from './kvm-room.ts'

hypervisorSuite('kvm', kvmRoom, { desktops: 3, sequences: 6, verbs: 8, endMs: 20_000 })
