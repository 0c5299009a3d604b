import { lastSentence } from '@ostler/contract/fault.ts'
import { readFileSync } from 'node:fs'
import { runMain } from '@ostler/kit/service.ts'
import { checkConfig } from '../wiring/check-config.ts'
import { startHkd } from '../wiring/hkd.ts'
import { giveUpNode, inviteNode, joinNode } from '../wiring/joining.ts'
import { moveDatabase, sayMoved } from '../wiring/move.ts'
import { placementNow } from '../wiring/placement-now.ts'
import { shutDownNode } from '../wiring/node-end.ts'
import { startPostgres } from '../wiring/node-database.ts'
import { isRemote } from '../wiring/remote-database.ts'
import { restoreNode } from '../wiring/restore.ts'
import { loadNodeConfig } from '../wiring/node-config.ts'
import { parseArguments } from './arguments.ts'
import { openService, runService } from './service.ts'

const NAME = 'ostler-hkd'
const USAGE = `ostler-hkd: the housekeeping daemon of a node. It starts, watches and stops desktops.

usage: ostler-hkd [--config FILE]            serve; TERM ends the daemon, never a desktop
       ostler-hkd [--config FILE] shutdown   stop this node's desktops, its network and its PostgreSQL
       ostler-hkd [--config FILE] restore BACKUP [--new-authority]
                                             put a backup in place of a database that is not there
       ostler-hkd [--config FILE] postgres [--wanted]
                                             start this node's PostgreSQL and leave it running: for a service of its own;
                                             --wanted only tells: 0, it is to run here, or 1, the database is elsewhere
       ostler-hkd [--config FILE] invite NODE
                                             print what lets a node join that qa host add has made known: one word, good once,
                                             within a day; whoever has it can be root on every node
       ostler-hkd [--config FILE] join       make this machine that node; the word comes from standard input
       ostler-hkd [--config FILE] move LINES move the database of this node to a server, while desktops go on; LINES is a file with
                                             the database.* keys of that server (docs/database.md)
       ostler-hkd [--config FILE] lost NODE  say that another node is off, for certain: its desktops start elsewhere
       ostler-hkd [--config FILE] snapshot   print where desktops are now, as JSON that names nobody
       ostler-hkd [--config FILE] check      read the configuration, and say which keys are not used and why`

const FORMS = {
  restore: { words: 1, flags: ['new-authority'] },
  postgres: { words: 0, flags: ['wanted'] },
  invite: { words: 1, flags: [] },
  move: { words: 1, flags: [] },
  lost: { words: 1, flags: [] },
}

async function main(): Promise<void> {
  const options = parseArguments(
    USAGE,
    ['shutdown', 'restore', 'postgres', 'invite', 'join', 'move', 'lost', 'snapshot', 'check'],
    FORMS,
  )
  if (options === undefined) return
  if (options.command === undefined) return void (await runService(NAME, options.config, startHkd, 30_000))
  if (options.command === 'check') return void console.log(checkConfig(options.config).join('\n'))
  if (options.flags.has('wanted'))
    return void (process.exitCode = isRemote(loadNodeConfig(options.config).values) ? 1 : 0)
  const { values, log } = await openService(NAME, options.config)
  const [file = ''] = options.words
  if (options.command === 'invite') console.log(await inviteNode(values, file, log))
  else if (options.command === 'join') await joinNode(options.config, readFileSync(0, 'utf8'), log)
  else if (options.command === 'move') console.log(sayMoved(await moveDatabase(options.config, file, log)))
  else if (options.command === 'lost') await giveUpNode(values, file, log)
  else if (options.command === 'snapshot') console.log(await placementNow(values))
  else if (options.command === 'restore')
    await restoreNode(values, { file, newAuthority: options.flags.has('new-authority') }, log)
  else if (options.command === 'postgres') await startPostgres(values, log)
  else await shutDownNode(values, log)
  await log.close()
}

runMain(main, lastSentence)
