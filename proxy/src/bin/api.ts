import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { startApi } from '../wiring/api.ts'
import { parseArguments } from './arguments.ts'
import { runService } from './service.ts'

const USAGE = `ostler-api: the administration interface, on a unix socket below path.run.

usage: ostler-api [--config FILE]   run it as the user named by api.as_user; it needs no root`

async function main(): Promise<void> {
  const options = parseArguments(USAGE)
  if (options !== undefined) await runService('ostler-api', options.config, startApi, 10_000)
}

runMain(main, lastSentence)
