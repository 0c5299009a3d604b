import { hypervisorSuite } from './suite.ts'
import { simulatedRoom } from './simulated-room.ts'

hypervisorSuite('simulated', simulatedRoom, {
  desktops: 200,
  sequences: 200,
  verbs: 20,
  endMs: 15_000,
  files: false,
})

const slow = { prepareMs: 200, bootMs: 400, haltMs: 300, killMs: 100, unknownMs: 0 }
hypervisorSuite(
  'simulated, slow machines at ten times the speed',
  () => simulatedRoom({ speed: 10, scripts: [{ script: slow }] }),
  {
    desktops: 50,
    sequences: 10,
    verbs: 10,
    endMs: 15_000,
    files: false,
  },
)
