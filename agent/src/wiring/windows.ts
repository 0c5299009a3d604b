import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { consoleApi } from '@ostler/contract/console-frames.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { BootTicket } from '@ostler/contract/identity.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import type { Log } from '@ostler/kit/log.ts'
import { run } from '@ostler/kit/run.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { join } from 'node:path'
import type { LiveConfig } from '../config/live.ts'
import type { DesktopSession } from '../desktop/desktop-session.ts'
import { sessionRecords } from '../desktop/session-records.ts'
import { openHookLog } from '../hooks/hook-log.ts'
import { Hooks } from '../hooks/hooks.ts'
import { dataFolder } from '../platform/windows/data-folder.ts'
import { RDP_PORT, type WindowsPlatform, windowsPlatform } from '../platform/windows/platform.ts'
import { carryRdp, notHere } from '../platform/windows/rdp-stream.ts'
import { followBootPort } from '../rpc/boot-port.ts'
import { awaitTicket, enrol, tellOfLateTicket } from '../rpc/enrol.ts'
import { powerCalls } from '../rpc/power-calls.ts'
import { Renewal } from '../rpc/renewal.ts'
import { serveAgentApi, type Upgrade } from '../rpc/server.ts'
import { sessionCalls } from '../rpc/session-calls.ts'
import { provision } from '../user/provision.ts'

export { stopWithService } from '../platform/windows/service.ts'

/**
 * Puts the agent of a Windows desktop together, enrols it, and serves until the scope closes. The session is Windows' own and
 * outlives the scope.
 * @throws Fault `config.invalid` when the configuration asks for what only Linux has.
 */
export async function startWindowsAgent(
  live: LiveConfig,
  version: string,
  log: Log,
  scope: Scope,
): Promise<void> {
  const config = live.values
  if (config()['vma.compat.plaintext'])
    throw new Fault('config.invalid', { problems: 'vma.compat.plaintext: there is no such thing on Windows' })
  const bootFolder = join(dataFolder(), 'boot')
  const platform = windowsPlatform()
  const bootDevice = config()['internal.vma.boot.port']
  const bootPort = scope.own(followBootPort(platform.bootPort(bootDevice), bootFolder))
  const ticket = await awaitTicket(bootFolder, scope.signal, tellOfLateTicket(log, bootDevice))
  if (ticket.listen === 'socket')
    throw new Fault('config.invalid', {
      problems: 'the node wants to reach this desktop without a network, which Windows cannot do',
    })
  const { session, hooks } = makeSession(live, platform, log)
  scope.defer(() => session.release())
  const place = { port: config()['internal.vm.port.vma'] }
  const identity = await enrol(place, bootFolder, log, scope.signal)
  bootPort[Symbol.dispose]()
  log.info('enrolled', { desktop: ticket.desktop, epoch: ticket.epoch })
  const renewal = new Renewal(log)
  const server = await serveAgentApi(place, identity, {
    handlers: {
      ping: () => Promise.resolve({ version }),
      ...sessionCalls(session, config),
      ...powerCalls({ session, hooks, halt: platform.halt, log }),
      ...renewal.calls,
    },
    upgrades: upgrades(ticket),
    news: session.news,
    log,
  })
  renewal.present = (next) => server.renew(next)
  scope.own(server)
}

function makeSession(
  live: LiveConfig,
  platform: WindowsPlatform,
  log: Log,
): { session: DesktopSession; hooks: Hooks } {
  const config = live.values
  // Hooks tell the session's watchers what became of them, and the session calls the hooks.
  const heard: { session?: DesktopSession } = {}
  const hooks = new Hooks({
    config,
    platform: platform.hooks,
    run,
    hookLog: openHookLog(config()['path.log']),
    log,
    onResult: (result) => heard.session?.tellHook(result),
  })
  const accounts = {
    accounts: platform.accounts,
    hook: hooks.provisioning.bind(hooks),
    // Windows makes the profile when she signs in.
    mountHomes: () => Promise.resolve(),
    settleHome: () => {},
  }
  const session = platform.session({
    config,
    log,
    hooks,
    records: sessionRecords<{ readonly account: Account }>(config()['path.run']),
    provision: (request, onWork, signal) => provision(accounts, request.user, request.pairs, onWork, signal),
    prepare: () => [],
  })
  heard.session = session
  session.recover()
  return { session, hooks }
}

/** What takes over its connection: RDP. The others are answered with why there is none. */
function upgrades({ desktop }: BootTicket): Upgrade[] {
  const { display_rdp, display_nx, display_rfb, vnc_connect } = upgradeApi
  const refuse = (fault: () => Fault) => (): never => {
    throw fault()
  }
  return [
    { ...display_rdp, take: (_, socket, head) => carryRdp(RDP_PORT, display_rdp.protocol, socket, head) },
    { ...display_nx, take: refuse(() => notHere('nx')) },
    { ...display_rfb, take: refuse(() => notHere('rfb')) },
    { ...vnc_connect, take: refuse(() => notHere('rfb')) },
    {
      path: consoleApi.path,
      protocol: consoleApi.upgrade,
      callers: consoleApi.callers,
      take: refuse(() => new Fault('console.disabled', { desktop })),
    },
  ]
}
