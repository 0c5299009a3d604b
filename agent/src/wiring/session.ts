import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { run } from '@ostler/kit/run.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import type { LiveConfig } from '../config/live.ts'
import type { AgentValues } from '../config/options.ts'
import { writeChannelFiles } from '../desktop/channel-files.ts'
import { nxAgents } from '../desktop/nxagent.ts'
import { readRequest, type SessionRequest } from '../desktop/request.ts'
import { sessionNumbers, sessionRecords } from '../desktop/session-records.ts'
import { type SessionParts, XSession } from '../desktop/session.ts'
import type { SharedFolders } from '../folders/shared-folders.ts'
import { openHookLog } from '../hooks/hook-log.ts'
import type { ProvisioningHook } from '../hooks/hook-table.ts'
import { Hooks } from '../hooks/hooks.ts'
import type { Pairs } from '../hooks/run-hook.ts'
import type { AsUser } from '../platform/linux/as-user.ts'
import { Locales } from '../platform/linux/locales.ts'
import { ensureRuntimeFolder } from '../platform/linux/runtime-folder.ts'
import { setTimeZone } from '../platform/linux/time-zone.ts'
import type { Platform } from '../platform/platform.ts'
import { followPrinting } from '../printing/printing.ts'
import type { CallClient } from '../printing/slave-printers.ts'
import { slaveSockets } from '../slave/environment.ts'
import { SlaveChannel } from '../slave/slave-channel.ts'
import { followSound } from '../sound/sound.ts'
import { mountHomes } from '../user/home-drive.ts'
import { provision } from '../user/provision.ts'
import { settleHome } from '../user/settle-home.ts'
import { isSoleUser } from '../user/sole-user.ts'
import { foldersOnFirstUse, mountShareIn } from './folders.ts'

export interface DesktopSettings {
  readonly live: LiveConfig
  readonly platform: Platform
  readonly asUser: AsUser
  readonly log: Log
  /** nxagent's socket, and the node user who alone may open it; `undefined`: nxagent listens on TCP. */
  readonly display: { readonly socket: string; readonly owner: number } | undefined
}

/** Makes the session of this desktop, its hooks, its slave channel and its folders, and finds again what an earlier agent left running. */
export function makeSession(
  settings: DesktopSettings,
  scope: Scope,
): {
  session: XSession
  hooks: Hooks
  channel: SlaveChannel
  folders: () => Promise<SharedFolders>
} {
  const { live, platform, asUser, log, display } = settings
  const config = live.values
  // Hooks tell the session's watchers what became of them, and the session calls the hooks.
  const heard: { session?: XSession; channel?: SlaveChannel } = {}
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
    provision: provisioner(settings, hooks, (account) => listenFor(config(), heard.channel, account)),
    prepare: (request, account) => comforts(config(), request, account),
  })
  const folders = foldersOnFirstUse({ session, config, asUser, log }, scope)
  const channel = new SlaveChannel({
    ...{ session, config, asUser, log },
    mountShare: mountShareIn(folders),
    sockets: slaveSockets(config()),
  })
  Object.assign(heard, { session, channel })
  session.recover()
  if (session.account !== undefined)
    void listenFor(config(), channel, session.account).then((warning) => {
      if (warning !== undefined) log.warn('session found again', { warning })
    })
  return { session, hooks, channel, folders }
}

/** What follows the session's clients: their printers and their sound. */
export function followClients(
  settings: DesktopSettings,
  { session, channel }: { readonly session: XSession; readonly channel: SlaveChannel },
  scope: Scope,
): void {
  const config = settings.live.values
  const request = (): SessionRequest | undefined =>
    session.account === undefined ? undefined : readRequest('nx', Object.fromEntries(session.pairs), config())
  const parts = { config, news: session.news, request, log: settings.log }
  // Queues and sound servers of others are root's to make.
  if (isSoleUser()) return
  const callClient: CallClient = (call, signal) => channel.callClient(call, signal)
  scope.own(followPrinting({ ...parts, callClient }))
  scope.own(followSound({ ...parts, account: () => session.account, asUser: settings.asUser }))
}

function provisioner(
  { live, platform, log }: DesktopSettings,
  hooks: Hooks,
  listen: (account: Account) => Promise<string | undefined>,
): SessionParts['provision'] {
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
    const warning = await listen(made.account)
    return warning === undefined ? made : { ...made, warnings: [...made.warnings, warning] }
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

/** Has the slave channel ready for this user, where this desktop has one; gives a warning when that cannot be. */
async function listenFor(
  config: AgentValues,
  channel: SlaveChannel | undefined,
  account: Account,
): Promise<string | undefined> {
  if (!config['vma.slave.enable']) return undefined
  try {
    await channel?.listenFor(account)
    return undefined
  } catch (error) {
    return `there is no slave channel: ${error instanceof Error ? error.message : ''}`
  }
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
