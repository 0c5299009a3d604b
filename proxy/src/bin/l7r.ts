import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import cluster from 'node:cluster'
import {
  commandDoor,
  DOOR_COMMANDS,
  DOOR_STOP_MS,
  joinCrew,
  leadCrew,
  leaveCrew,
} from '../wiring/l7r-crew.ts'
import { loadNodeConfig } from '../wiring/node-config.ts'
import { parseArguments } from './arguments.ts'
import { runService } from './service.ts'

const USAGE = `ostler-l7r: the door of a node: TLS, sign-in, the portal, and the display streams.

usage: ostler-l7r [--config FILE]          run it as the user named by l7r.as_user; it needs no root
       ostler-l7r [--config FILE] drain    let nobody in any more; who is in stays, and balancers look elsewhere
       ostler-l7r [--config FILE] open     let everybody in again
       ostler-l7r [--config FILE] status   say how it stands, and how many are in

The first process hands connections to l7r.workers others. SIGHUP replaces those by what now lies on the disk: the old
ones take nobody in any more and end with their last session. SIGTERM ends all of them.`

/** The first process waits a little longer than those whom it ends. */
const LONGER_MS = 2_000

async function main(): Promise<void> {
  const options = parseArguments(USAGE, DOOR_COMMANDS)
  if (options === undefined) return
  const { command } = options
  if (command !== undefined)
    return void console.log(await commandDoor(loadNodeConfig(options.config).values, command))
  if (cluster.isPrimary) await runService('ostler-l7r', options.config, leadCrew, DOOR_STOP_MS + LONGER_MS)
  else {
    await runService('ostler-l7r', options.config, joinCrew, DOOR_STOP_MS)
    leaveCrew()
  }
}

runMain(main, lastSentence)
