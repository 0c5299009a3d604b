import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { run } from '@ostler/kit/run.ts'
import type { LiveConfig } from '../config/live.ts'
import type { AgentValues } from '../config/options.ts'
import { writeChannelFiles } from '../desktop/channel-files.ts'
import { nxAgents } from '../desktop/nxagent.ts'
import type { SessionRequest } from '../desktop/request.ts'
import { sessionNumbers, sessionRecords } from '../desktop/session-records.ts'
import { type SessionParts, XSession } from '../desktop/session.ts'
import { openHookLog } from '../hooks/hook-log.ts'
import type { ProvisioningHook } from '../hooks/hook-table.ts'
import { Hooks } from '../hooks/hooks.ts'
import type { Pairs } from '../hooks/run-hook.ts'
import type { AsUser } from '../platform/linux/as-user.ts'
import { Locales } from '../platform/linux/locales.ts'
import { ensureRuntimeFolder } from '../platform/linux/runtime-folder.ts'
import { setTimeZone } from '../platform/linux/time-zone.ts'
import type { Platform } from '../platform/platform.ts'
import { mountHomes } from '../user/home-drive.ts'
import { provision } from '../user/provision.ts'
import { settleHome } from '../user/settle-home.ts'

export interface DesktopSettings {
  readonly live: LiveConfig
  readonly platform: Platform
  readonly asUser: AsUser
  readonly log: Log
  /** nxagent's socket, and the node user who alone may open it; `undefined`: nxagent listens on TCP. */
  readonly display: { readonly socket: string; readonly owner: number } | undefined
}

/** Makes the session of this desktop and its hooks, and finds again what an earlier agent left running. */
export function makeSession(settings: DesktopSettings): { session: XSession; hooks: Hooks } {
  const { live, platform, asUser, log, display } = settings
  const config = live.values
  // Hooks tell the session's watchers what became of them, and the session calls the hooks.
  const heard: { session?: XSession } = {}
  const hooks = new Hooks({
    config,
    platform: platform.hooks,
    run,
    hookLog: openHookLog(config()['path.log']),
    log,
    onResult: (result) => heard.session?.tellHook(result),
  })
  const session = new XSession({
    config,
    log,
    hooks,
    records: sessionRecords(config()['path.run']),
    numbers: sessionNumbers(config()['path.run']),
    agents: nxAgents({
      config,
      asUser,
      socket: display?.socket,
      displayOwner: () => display?.owner ?? 0,
      language: languageChooser(config),
    }),
    provision: provisioner(settings, hooks),
    prepare: (request, account) => comforts(config(), request, account),
  })
  heard.session = session
  session.recover()
  return { session, hooks }
}

function provisioner({ live, platform, log }: DesktopSettings, hooks: Hooks): SessionParts['provision'] {
  const parts = {
    accounts: platform.accounts,
    hook: (name: ProvisioningHook, pairs: Pairs, signal: AbortSignal) =>
      hooks.provisioning(name, pairs, signal),
    mountHomes: (signal: AbortSignal) => mountDrive(live.values(), log, signal),
    settleHome,
  }
  return async (request, onWork, signal) => {
    const made = await provision(parts, request.user, request.pairs, onWork, signal)
    ensureRuntimeFolder(made.account)
    return made
  }
}

async function mountDrive(config: AgentValues, log: Log, signal: AbortSignal): Promise<void> {
  const drive = {
    drive: config['vma.user.home.drive'],
    filesystem: config['vma.user.home.fs'],
    homes: config['vma.user.home.path'],
    signal,
  }
  const outcome = await mountHomes(drive, run, log)
  log.debug('disk of the homes', { outcome })
}

/** The language that the client wants, if this system has it. */
function languageChooser(config: () => AgentValues) {
  const locales = new Locales(run)
  return async (wanted: string | undefined) => ({
    wanted: wanted !== undefined && (await locales.has(wanted)) ? wanted : undefined,
    fallback: await locales.either(config()['vma.default.lang']),
  })
}

/** What never stops a session. */
function comforts(config: AgentValues, request: SessionRequest, account: Account): string[] {
  const warnings = [
    request.timeZone === undefined ? undefined : setTimeZone(request.timeZone),
    channelFiles(config, request, account),
  ]
  return warnings.filter((warning) => warning !== undefined)
}

function channelFiles(config: AgentValues, request: SessionRequest, account: Account): string | undefined {
  try {
    writeChannelFiles(config, request, account)
    return undefined
  } catch (error) {
    return `the client's channels have no settings: ${error instanceof Error ? error.message : ''}`
  }
}
