import { lastSentence } from '@ostler/contract/fault.ts'
import { runMain } from '@ostler/kit/service.ts'
import { startL7r } from '../wiring/l7r.ts'
import { parseArguments } from './arguments.ts'
import { runService } from './service.ts'

const USAGE = `ostler-l7r: the door of a node: TLS, sign-in, the portal, and the display streams.

usage: ostler-l7r [--config FILE]   run it as the user named by l7r.as_user; it needs no root`

async function main(): Promise<void> {
  const options = parseArguments(USAGE)
  if (options !== undefined) await runService('ostler-l7r', options.config, startL7r, 10_000)
}

runMain(main, lastSentence)
