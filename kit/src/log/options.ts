import { isAbsolute } from 'node:path'
import { type Config, integer, oneOf, type Option } from '../config.ts'
import { LOG_LEVELS, type LogLevel } from './level.ts'
import { mapLog4perl } from './log4perl.ts'
import { FACILITIES, type Facility } from './syslog-message.ts'

/** Where syslog is. */
export type SyslogTarget =
  | { readonly kind: 'local'; readonly socket: string }
  | { readonly kind: 'udp' | 'tcp'; readonly host: string; readonly port: number }

/** How a process logs. File, or standard output, and syslog go together. */
export interface LogSettings {
  readonly level: LogLevel
  /** JSON lines on standard output when there is none. */
  readonly file?: { readonly path: string; readonly size: number; readonly max: number }
  readonly syslog?: { readonly target: SyslogTarget; readonly facility: Facility }
}

export type LogOptions = ReturnType<typeof logOptions>

/**
 * The options of a log, for the table of a program.
 * @param defaults `filename`: the file, `${…}` may be used; empty for standard output.
 */
export function logOptions(defaults: { filename: string }) {
  return {
    'log.level': oneOf('what is logged', LOG_LEVELS, 'INFO'),
    'log.filename': logFile(
      'file of the log; empty: JSON lines on standard output, for journald',
      defaults.filename,
    ),
    'log.file.size': integer('bytes after which the file is rotated', 10 << 20, 65_536, 2 ** 40),
    'log.file.max': integer('files that are kept, with the current one', 5, 1, 1_000),
    'log.syslog': syslogTarget('syslog besides: empty, local, udp://HOST:PORT or tcp://HOST:PORT (RFC 5424)'),
    'log.syslog.facility': oneOf('facility of the lines in syslog', FACILITIES, 'daemon'),
  } as const
}

/**
 * The log that a configuration asks for. Below `log4perl.` it understands what QVD's files usually say, which
 * wins over the options as it does in QVD; load the configuration with `collect: ['log4perl.']`.
 *
 * @returns the settings, and a warning with file and line for everything that could not be heeded.
 */
export function logSettings(config: Pick<Config<LogOptions>, 'values' | 'collected'>): {
  settings: LogSettings
  warnings: readonly string[]
} {
  const { overrides, warnings } = mapLog4perl(config.collected)
  const problems: string[] = []
  const table = logOptions({ filename: '' })
  const value = <K extends keyof LogOptions>(key: K): Config<LogOptions>['values'][K] => {
    const override = overrides[key]
    if (override === undefined) return config.values[key]
    try {
      return table[key].parse(override.value) as Config<LogOptions>['values'][K]
    } catch (error) {
      problems.push(`${override.origin} ${error instanceof Error ? error.message : ''}: not used`)
      return config.values[key]
    }
  }
  const [path, target] = [value('log.filename'), value('log.syslog')]
  const [size, max, facility] = [value('log.file.size'), value('log.file.max'), value('log.syslog.facility')]
  return {
    settings: {
      level: value('log.level'),
      ...(path === '' ? {} : { file: { path, size, max } }),
      ...(target === undefined ? {} : { syslog: { target, facility } }),
    },
    warnings: [...warnings, ...problems],
  }
}

/** A path, or nothing. */
function logFile(summary: string, fallback: string): Option<string> {
  return {
    default: fallback,
    summary,
    parse: (value) => {
      if (value !== '' && (!isAbsolute(value) || value.includes('\0')))
        throw new Error('is neither empty nor an absolute path')
      return value
    },
  }
}

function syslogTarget(summary: string): Option<SyslogTarget | undefined> {
  return {
    default: '',
    summary,
    parse: (value) => {
      if (value === '') return undefined
      if (value === 'local') return { kind: 'local', socket: '/dev/log' }
      const [, kind, bracketed, plain, digits = '514'] =
        /^(udp|tcp):\/\/(?:\[([\da-f:.]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?$/i.exec(value) ?? []
      const host = bracketed ?? plain
      const port = Number(digits)
      if (host === undefined || port < 1 || port > 65_535)
        throw new Error('is neither empty nor local, udp://HOST:PORT or tcp://HOST:PORT')
      return { kind: kind?.toLowerCase() === 'udp' ? 'udp' : 'tcp', host, port }
    },
  }
}
