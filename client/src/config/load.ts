import { Fault } from '@ostler/contract/fault.ts'
import { ConfigError, loadConfig, type Overrides } from '@ostler/kit/config.ts'
import { parseProperties } from '@ostler/kit/properties.ts'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { CONFIG_VARIABLE, settingsIn } from './environment.ts'
import { type ConfiguredFolders, configuredFolders, FOLDER_KEYS } from './folders.ts'
import { CLIENT_OPTIONS, type ClientConfig } from './options.ts'
import type { Places } from './places.ts'
import { reasonUnheeded } from './unheeded.ts'

/** What the client goes by. */
export interface ClientSettings {
  readonly config: ClientConfig
  /** Environment variables that the server's plugins may see, by name. */
  readonly shared: ReadonlyMap<string, string>
  readonly folders: ConfiguredFolders
  /** What in the files changes nothing, a sentence each. */
  readonly warnings: readonly string[]
}

/** Both spellings: the manual's, and that of QVD's code. */
const SHARED = ['client.auth_env_share.list.', 'client.auth_env.share.list.']
const FORCED = /^client\.force\./

/**
 * Reads the configuration. Later wins: files of the system, files of the user, the environment, the command line. But
 * what a file of the system forces stays forced: a kiosk's user has a folder of his own, too (docs/decisions/0057).
 *
 * @param said what the command line says, by key.
 * @param file read instead of the user's own files.
 * @throws Fault `client.setting` naming all that is wrong, or `client.exposed`.
 */
export function loadSettings(
  places: Places,
  environment: NodeJS.ProcessEnv,
  said: Overrides = {},
  file: string | undefined = environment[CONFIG_VARIABLE] || undefined,
): ClientSettings {
  const own = file === undefined ? places.userFiles : [file]
  const files = [...places.systemFiles, ...own].map((path) => ({ path, required: path === file }))
  const overrides = { ...settingsIn(environment), ...said, ...forcedIn(places.systemFiles) }
  const config = attempt(() =>
    loadConfig(CLIENT_OPTIONS, files, overrides, {
      collect: [...SHARED, ...FOLDER_KEYS],
      isKnown: (key) => reasonUnheeded(key) !== undefined,
    }),
  )
  requirePrivate(config, files)
  const unheeded = config.keys.flatMap((key) => {
    const reason = key in CLIENT_OPTIONS ? undefined : reasonUnheeded(key)
    return reason === undefined ? [] : [`${config.find(key)?.origin ?? ''}: ${key} is not used: ${reason}`]
  })
  const warnings = [...config.warnings, ...unheeded]
  const folders = configuredFolders(config.collected, places.home, (line) => warnings.push(line))
  return {
    config,
    shared: sharedVariables(config, environment),
    folders: config.values['client.file_sharing.enable'] ? folders : { shares: [], mounts: [] },
    warnings,
  }
}

function attempt(load: () => ClientConfig): ClientConfig {
  try {
    return load()
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause
    throw new Fault('client.setting', { problems: cause.problems.join('; ') }, { cause })
  }
}

function forcedIn(files: readonly string[]): Overrides {
  const forced: Record<string, { value: string; origin: string }> = {}
  for (const file of files) {
    if (!existsSync(file)) continue
    for (const { key, value, line } of parseProperties(readFileSync(file, 'utf8'), file).properties)
      if (FORCED.test(key)) forced[key] = { value, origin: `${file}:${line}` }
  }
  return forced
}

/** A password that others can read is refused, not used: it would stay where it is otherwise. */
function requirePrivate(config: ClientConfig, files: readonly { path: string }[]): void {
  for (const key of ['client.user.password', 'client.auto_connect.token'] as const) {
    const origin = config.origin(key)
    const path = files.map((file) => file.path).find((each) => origin.startsWith(`${each}:`))
    if (path === undefined || config.values[key].reveal() === '') continue
    if ((statSync(path).mode & 0o077) !== 0) throw new Fault('client.exposed', { file: path, key })
  }
}

function sharedVariables(config: ClientConfig, environment: NodeJS.ProcessEnv): Map<string, string> {
  if (!config.values['client.auth_env_share.enable']) return new Map()
  return new Map(
    config.collected.flatMap(({ key, value: name }): [string, string][] => {
      if (!SHARED.some((prefix) => key.startsWith(prefix))) return []
      const value = environment[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}
