import { lastSentence } from '@ostler/contract/fault.ts'
import { type Log, openLog } from '@ostler/kit/log.ts'
import { logSettings } from '@ostler/kit/log/options.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { runMain, serveUntilSignalled } from '@ostler/kit/service.ts'
import { LiveConfig } from '../config/live.ts'
import { loadAgentConfig, printConfig } from '../config/load.ts'
import { READER } from '../platform/windows/boot-port.ts'
import { startAgent } from '../wiring/agent.ts'
import { VERSION } from '../version.ts'

const USAGE = `ostler-vma ${VERSION}: the agent inside a desktop. It is started by the desktop's init.

usage: ostler-vma                     serve the node's calls
       ostler-vma config              print every key with its effective value and where that comes from
       ostler-vma --help | --version

Configuration: /etc/ostler/vma.conf, else /etc/qvd/vma.conf; SIGHUP reads it again. It waits for the node's boot
ticket in /run/ostler/boot, enrols, and serves the node's calls on port 3030. On Windows all of this lies in
%ProgramData%\\Ostler, and the service ostler-vma runs it.`

async function main(): Promise<void> {
  const [command] = process.argv.slice(2)
  if (command === '--help') return void console.log(USAGE)
  if (command === '--version') return void console.log(VERSION)
  if (command === 'config') return void showConfig()
  if (command === READER) return void (await read(process.argv[3] ?? ''))
  const live = new LiveConfig(loadAgentConfig)
  const { settings, warnings } = logSettings(live.current)
  const log = await openLog({ name: 'ostler-vma', settings })
  for (const warning of [...live.current.warnings, ...warnings]) log.warn('configuration', { warning })
  await using scope = new Scope()
  process.on('SIGHUP', () => live.reload(log))
  // A signal must be heard from the beginning, also while we wait for the ticket.
  const served = serveUntilSignalled(scope, log, 5_000)
  start(live, log, scope).catch((error: unknown) => {
    if (scope.signal.aborted) return
    log.fatal('agent could not start', { error })
    process.exitCode = lastSentence(error).exitCode
    stop()
  })
  await served
}

/** What only Windows has is loaded only there. */
async function start(live: LiveConfig, log: Log, scope: Scope): Promise<void> {
  if (process.platform !== 'win32') return void (await startAgent(live, VERSION, log, scope))
  const { startWindowsAgent, stopWithService } = await import('../wiring/windows.ts')
  // By hand, in a terminal, it is ended as any other program.
  if (process.env['OSTLER_DATA'] !== undefined) stopWithService(process.stdin, stop)
  await startWindowsAgent(live, VERSION, log, scope)
}

/** As the signal would; Windows has none, and would end us at once. */
function stop(): void {
  process.emit('SIGTERM', 'SIGTERM')
}

/** As the agent starts itself on Windows. */
async function read(port: string): Promise<void> {
  const { readBootPort } = await import('../platform/windows/boot-port-reader.ts')
  await readBootPort(port, process.stdin, process.stdout)
}

function showConfig(): void {
  const config = loadAgentConfig()
  console.log(printConfig(config))
  for (const warning of config.warnings) console.error(warning)
}

runMain(main, lastSentence)
