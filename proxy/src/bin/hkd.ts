import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { checkConfig } from '../wiring/check-config.ts'
import { shutDownNode, startHkd } from '../wiring/hkd.ts'
import { restoreNode } from '../wiring/restore.ts'
import { parseArguments } from './arguments.ts'
import { openService, runService } from './service.ts'

const NAME = 'ostler-hkd'
const USAGE = `ostler-hkd: the housekeeping daemon of a node. It starts, watches and stops desktops.

usage: ostler-hkd [--config FILE]            serve; TERM ends the daemon, never a desktop
       ostler-hkd [--config FILE] shutdown   stop this node's desktops, its network and its PostgreSQL
       ostler-hkd [--config FILE] restore BACKUP [--new-authority]
                                             put a backup in place of a database that is not there
       ostler-hkd [--config FILE] check      read the configuration, and say which keys are not used and why`

const FORMS = { restore: { words: 1, flags: ['new-authority'] } }

async function main(): Promise<void> {
  const options = parseArguments(USAGE, ['shutdown', 'restore', 'check'], FORMS)
  if (options === undefined) return
  if (options.command === undefined) return void (await runService(NAME, options.config, startHkd, 30_000))
  if (options.command === 'check') return void console.log(checkConfig(options.config).join('\n'))
  const { values, log } = await openService(NAME, options.config)
  const [file = ''] = options.words
  if (options.command === 'restore')
    await restoreNode(values, { file, newAuthority: options.flags.has('new-authority') }, log)
  else await shutDownNode(values, log)
  await log.close()
}

runMain(main, lastSentence)
