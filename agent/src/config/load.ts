import { Fault } from '@ostler/contract/fault.ts'
import { type Config, ConfigError, loadConfig, type OptionTable } from '@ostler/kit/config.ts'
import { existsSync } from 'node:fs'
import { configurationHere } from '../platform/windows/data-folder.ts'
import { AGENT_OPTIONS } from './options.ts'

export type AgentConfig = Config<typeof AGENT_OPTIONS>

/** Where scripts written for QVD look, when it is QVD's file that is read. */
const QVD_DEFAULTS = { 'path.run': '/var/run/qvd', 'path.log': '/var/log/qvd' } as const

const OWN_FILE = '/etc/ostler/vma.conf'
const QVD_FILE = '/etc/qvd/vma.conf'

/** Files that may hold the configuration. */
export interface AgentConfigFiles {
  readonly own: string
  /** QVD has no agent for Windows. */
  readonly qvd?: string
  /** What this system has elsewhere than Linux. */
  readonly defaults?: Readonly<Record<string, string>>
}

/**
 * Reads `/etc/ostler/vma.conf`, else QVD's `/etc/qvd/vma.conf` (then with QVD's run and log folders), else the defaults. On Windows
 * it is `vma.conf` of the data folder.
 * @throws Fault `config.invalid` with every problem of the file, each with its line.
 */
export function loadAgentConfig(files: AgentConfigFiles = filesHere()): AgentConfig {
  const { own, qvd, defaults = {} } = files
  const isQvd = qvd !== undefined && !existsSync(own) && existsSync(qvd)
  const found = isQvd ? qvd : existsSync(own) ? own : undefined
  const table = withDefaults(AGENT_OPTIONS, isQvd ? QVD_DEFAULTS : defaults)
  try {
    const config = loadConfig(
      table,
      found === undefined ? [] : [{ path: found, required: true }],
      {},
      {
        collect: ['log4perl.'],
      },
    )
    return { ...config, warnings: [...config.warnings, ...deadKeys(config)] }
  } catch (error) {
    if (error instanceof ConfigError)
      throw new Fault('config.invalid', { problems: error.problems.join('\n') }, { cause: error })
    throw error
  }
}

function filesHere(): AgentConfigFiles {
  return process.platform === 'win32' ? configurationHere() : { own: OWN_FILE, qvd: QVD_FILE }
}

/** Keys that are set and will never do anything. */
function deadKeys({ values, origin }: Pick<AgentConfig, 'values' | 'origin'>): string[] {
  const key = 'vma.on_action.disconnect'
  return values[key] === ''
    ? []
    : [`${origin(key)}: ${key} is never run, as in QVD: use vma.on_state.suspended`]
}

function withDefaults<T extends OptionTable>(table: T, defaults: Readonly<Record<string, string>>): T {
  const changed = Object.entries(defaults).map(([key, value]) => [key, { ...table[key], default: value }])
  return { ...table, ...Object.fromEntries(changed) } as T
}

/** The effective configuration as a file, each line with where its value came from, sorted by key. */
export function printConfig(config: AgentConfig): string {
  const lines = (Object.keys(AGENT_OPTIONS) as (keyof typeof AGENT_OPTIONS)[])
    .sort()
    .map((key) => ({ line: `${key} = ${config.text(key)}`, origin: config.origin(key) }))
  const width = Math.max(...lines.map(({ line }) => line.length).filter((length) => length < 80))
  return lines.map(({ line, origin }) => `${line.padEnd(width)}  # ${origin}`).join('\n')
}
