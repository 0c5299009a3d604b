import { lastSentence } from '@ostler/contract/fault.ts'
import { openLog } from '@ostler/kit/log.ts'
import { logSettings } from '@ostler/kit/log/options.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { runMain, serveUntilSignalled } from '@ostler/kit/service.ts'
import { loadAgentConfig } from '../config.ts'
import { startAgent } from '../wiring.ts'
import { VERSION } from '../version.ts'

const USAGE = `ostler-vma ${VERSION}: the agent inside a desktop. It is started by the desktop's init.

usage: ostler-vma [--help | --version]

Configuration: /etc/ostler/vma.conf, else /etc/qvd/vma.conf. It waits for the node's boot ticket in
/run/ostler/boot, enrols, and serves the node's calls on port 3030.`

async function main(): Promise<void> {
  const [option] = process.argv.slice(2)
  if (option === '--help') return void console.log(USAGE)
  if (option === '--version') return void console.log(VERSION)
  const config = loadAgentConfig()
  const { settings, warnings } = logSettings(config)
  const log = await openLog({ name: 'ostler-vma', settings })
  for (const warning of [...config.warnings, ...warnings]) log.warn('configuration', { warning })
  await using scope = new Scope()
  // A signal must be heard from the beginning, also while we wait for the ticket.
  const served = serveUntilSignalled(scope, log, 5_000)
  startAgent(config, VERSION, log, scope).catch((error: unknown) => {
    if (scope.signal.aborted) return
    log.fatal('agent could not start', { error })
    process.exitCode = lastSentence(error).exitCode
    process.kill(process.pid, 'SIGTERM')
  })
  await served
}

runMain(main, lastSentence)
