import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { shutDownNode, startHkd } from '../wiring/hkd.ts'
import { restoreNode } from '../wiring/restore.ts'
import { parseArguments } from './arguments.ts'
import { openService, runService } from './service.ts'

const NAME = 'ostler-hkd'
const USAGE = `ostler-hkd: the housekeeping daemon of a node. It starts, watches and stops desktops.

usage: ostler-hkd [--config FILE]            serve; TERM ends the daemon, never a desktop
       ostler-hkd [--config FILE] shutdown   stop this node's desktops, its network and its PostgreSQL
       ostler-hkd [--config FILE] restore BACKUP [--new-authority]
                                             put a backup in place of a database that is not there`

const FORMS = { restore: { words: 1, flags: ['new-authority'] } }

async function main(): Promise<void> {
  const options = parseArguments(USAGE, ['shutdown', 'restore'], FORMS)
  if (options === undefined) return
  if (options.command === undefined) return void (await runService(NAME, options.config, startHkd, 30_000))
  const { values, log } = await openService(NAME, options.config)
  const [file = ''] = options.words
  if (options.command === 'restore')
    await restoreNode(values, { file, newAuthority: options.flags.has('new-authority') }, log)
  else await shutDownNode(values, log)
  await log.close()
}

runMain(main, lastSentence)
