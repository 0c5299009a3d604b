import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { shutDownNode, startHkd } from '../wiring/hkd.ts'
import { parseArguments } from './arguments.ts'
import { openService, runService } from './service.ts'

const NAME = 'ostler-hkd'
const USAGE = `ostler-hkd: the housekeeping daemon of a node. It starts, watches and stops desktops.

usage: ostler-hkd [--config FILE]            serve; TERM ends the daemon, never a desktop
       ostler-hkd [--config FILE] shutdown   stop this node's desktops, its network and its PostgreSQL`

async function main(): Promise<void> {
  const options = parseArguments(USAGE, ['shutdown'])
  if (options === undefined) return
  if (options.command === undefined) return void (await runService(NAME, options.config, startHkd, 30_000))
  const { values, log } = await openService(NAME, options.config)
  await shutDownNode(values, log)
  await log.close()
}

runMain(main, lastSentence)
