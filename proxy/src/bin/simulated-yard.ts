import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { startYard } from '../wiring/simulated-yard.ts'
import { parseArguments } from './arguments.ts'
import { runService } from './service.ts'

const USAGE = `simulated-yard: machines that are scripts, for trying a node out. Set vm.hypervisor = simulated for its hkd.

usage: simulated-yard [--config FILE]   serve; the machines end with it`

async function main(): Promise<void> {
  const options = parseArguments(USAGE)
  if (options !== undefined) await runService('simulated-yard', options.config, startYard, 5_000)
}

runMain(main, lastSentence)
