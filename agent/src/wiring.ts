import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { DISPLAY_SOCKETS, GUEST_BOOT_FOLDER, GUEST_DISPLAY_FOLDER } from '@ostler/contract/identity.ts'
import type { Log } from '@ostler/kit/log.ts'
import { run } from '@ostler/kit/run.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { join } from 'node:path'
import type { LiveConfig } from './config/live.ts'
import type { AgentValues } from './config/options.ts'
import { writeChannelFiles } from './desktop/channel-files.ts'
import { nxAgents } from './desktop/nxagent.ts'
import type { SessionRequest } from './desktop/request.ts'
import { serveRfb } from './desktop/rfb.ts'
import { sessionRecords } from './desktop/session-records.ts'
import { XSession } from './desktop/session.ts'
import { supportView } from './desktop/support-view.ts'
import { showSession } from './desktop/viewer.ts'
import { openHookLog } from './hooks/hook-log.ts'
import { Hooks } from './hooks/hooks.ts'
import { platformHere } from './platform/choose.ts'
import { asUserWith } from './platform/linux/as-user.ts'
import { Locales } from './platform/linux/locales.ts'
import { ensureRuntimeFolder } from './platform/linux/runtime-folder.ts'
import { setTimeZone } from './platform/linux/time-zone.ts'
import { awaitTicket, enrol } from './rpc/enrol.ts'
import { powerCalls } from './rpc/power-calls.ts'
import { Renewal } from './rpc/renewal.ts'
import { serveAgentApi } from './rpc/server.ts'
import { sessionCalls } from './rpc/session-calls.ts'
import { serveSimpleRpc } from './rpc/simple-rpc.ts'
import { mountHomes } from './user/home-drive.ts'
import { settleHome } from './user/settle-home.ts'
import { provision } from './user/provision.ts'

/** Puts the agent together, enrols it, and serves until the scope closes. The session outlives the scope. */
export async function startAgent(live: LiveConfig, version: string, log: Log, scope: Scope): Promise<void> {
  const plaintext = live.values()['vma.compat.plaintext']
  const ticket = plaintext ? undefined : await awaitTicket(GUEST_BOOT_FOLDER, scope.signal)
  const platform = await platformHere(live.values)
  const asUser = asUserWith(() => live.values()['command.setpriv'])
  const locales = new Locales(run)
  const heard: { session?: XSession } = {}
  const hooks = new Hooks({
    config: live.values,
    platform: platform.hooks,
    run,
    hookLog: openHookLog(live.values()['path.log']),
    log,
    onResult: (result) => heard.session?.tellHook(result),
  })
  const session = new XSession({
    config: live.values,
    log,
    hooks,
    records: sessionRecords(live.values()['path.run']),
    agents: nxAgents({
      config: live.values,
      asUser,
      socket: plaintext ? undefined : join(GUEST_DISPLAY_FOLDER, DISPLAY_SOCKETS.nx),
      displayOwner: () => ticket?.displayUid ?? 0,
      language: async (wanted) => ({
        wanted: wanted !== undefined && (await locales.has(wanted)) ? wanted : undefined,
        fallback: await locales.either(live.values()['vma.default.lang']),
      }),
    }),
    provision: async (request, onWork, signal) => {
      const parts = {
        accounts: platform.accounts,
        hook: (...call: Parameters<typeof hooks.provisioning>) => hooks.provisioning(...call),
        mountHomes: (signal: AbortSignal) => mountDrive(live.values(), log, signal),
        settleHome,
      }
      const made = await provision(parts, request.user, request.pairs, onWork, signal)
      ensureRuntimeFolder(made.account)
      return made
    },
    prepare: (request, account) => {
      writeChannelFiles(live.values(), request, account)
      return comforts(request)
    },
  })
  heard.session = session
  session.recover()
  scope.defer(() => session.release())
  const power = powerCalls({ session, hooks, halt: () => platform.halt(), log })
  const viewers = { session, config: live.values, asUser, log }
  const port = live.values()['internal.vm.port.vma']

  if (ticket === undefined) {
    log.warn('speaking plain HTTP to anybody who can reach this port: vma.compat.plaintext is on', { port })
    const showToSupport = (connection: Parameters<typeof showSession>[1]): void => {
      showSession(viewers, connection, true)
    }
    const parts = { session, config: live.values, power, showToSupport, log }
    scope.own(await serveSimpleRpc(port, parts))
    return
  }
  const rfb = { socket: join(GUEST_DISPLAY_FOLDER, DISPLAY_SOCKETS.rfb), owner: ticket.displayUid }
  scope.own(await serveRfb(rfb, viewers))
  const identity = await enrol(port, GUEST_BOOT_FOLDER, log, scope.signal)
  log.info('enrolled', { desktop: ticket.desktop, epoch: ticket.epoch })
  const renewal = new Renewal(log)
  const handlers = {
    ping: () => Promise.resolve({ version }),
    ...sessionCalls(session, live.values),
    ...power,
    ...renewal.calls,
  }
  const upgrades = [
    {
      ...upgradeApi.vnc_connect,
      take: (...connection: Parameters<typeof supportView> extends [unknown, ...infer Rest] ? Rest : never) =>
        supportView(viewers, ...connection),
    },
  ]
  const server = await serveAgentApi(port, identity, { handlers, upgrades, news: session.news, log })
  renewal.present = (next) => server.renew(next)
  scope.own(server)
}

async function mountDrive(config: AgentValues, log: Log, signal: AbortSignal): Promise<void> {
  const settings = {
    drive: config['vma.user.home.drive'],
    filesystem: config['vma.user.home.fs'],
    homes: config['vma.user.home.path'],
    signal,
  }
  const outcome = await mountHomes(settings, run, log)
  log.debug('disk of the homes', { outcome })
}

/** What never stops a session. */
function comforts(request: SessionRequest): string[] {
  const warnings = [request.timeZone === undefined ? undefined : setTimeZone(request.timeZone)]
  return warnings.filter((warning) => warning !== undefined)
}
