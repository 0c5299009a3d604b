import { processRoom } from './process-room.ts'
import { hypervisorSuite } from './suite.ts'

hypervisorSuite('process', processRoom, { desktops: 10, sequences: 20, verbs: 12, endMs: 15_000 })
