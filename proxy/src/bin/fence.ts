import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { startFence } from '../wiring/fence.ts'
import { parseArguments } from './arguments.ts'
import { runService } from './service.ts'

const USAGE = `ostler-fence: ends the desktops of a node that can no longer say that they are its own. hkd starts it where the
database is shared with other nodes, and it outlives hkd.

usage: ostler-fence [--config FILE]   serve; TERM ends it, and desktops are without a fence until hkd starts another`

async function main(): Promise<void> {
  const options = parseArguments(USAGE)
  if (options !== undefined) await runService('ostler-fence', options.config, startFence, 20_000)
}

runMain(main, lastSentence)
