import type { Property } from '../properties.ts'
import { LOG_LEVELS, type LogLevel } from './level.ts'
import type { LogOptions } from './options.ts'

type OptionKey = keyof LogOptions

/** What a file's `log4perl.*` lines say in our options, and what they say that we cannot do. */
export interface Log4perlMapping {
  /** Values for our options, as a file would give them, and where they come from: `file:line: key`. */
  readonly overrides: Readonly<Partial<Record<OptionKey, { value: string; origin: string }>>>
  /** One sentence with file and line for each line, appender or layout that is not heeded. */
  readonly warnings: readonly string[]
}

/**
 * Reads what QVD hands to Log::Log4perl (compatibility page 10.1): the level and the appenders of the root
 * logger and of everything that QVD logs; files, standard output and syslog. Never throws.
 */
export function mapLog4perl(properties: readonly Property[]): Log4perlMapping {
  const findings = new Findings()
  if (properties.length === 0) return findings
  const lines = sorted(properties)
  for (const logger of lines.loggers) mapLevel(logger, findings)
  for (const [kind, appender] of chosen(lines, findings)) {
    for (const property of appender.settings) mapSetting(kind, property, findings)
    if (kind === 'syslog') mapSocket(appender.settings, findings)
  }
  for (const property of lines.others) findings.warn(property, reason(property.key))
  const [layout] = lines.layouts
  if (layout !== undefined) findings.warn(layout, 'not used: lines are JSON')
  return findings
}

class Findings implements Log4perlMapping {
  readonly overrides: Partial<Record<OptionKey, { value: string; origin: string }>> = {}
  readonly warnings: string[] = []

  set(option: OptionKey, value: string, property: Property): void {
    this.overrides[option] = { value, origin: place(property) }
  }

  warn(property: Property, text: string): void {
    this.warnings.push(`${place(property)} ${text}`)
  }
}

function place({ file, line, key }: Property): string {
  return `${file}:${line}: ${key}`
}

// --- what the lines are about ---

/** The root, and the category of everything that QVD logs. */
const LOGGER = /^log4perl\.(?:root[lL]ogger|(?:logger|category)(?:\.QVD)?)$/
const APPENDER = /^log4perl\.appender\.([^.]+)(?:\.(.+))?$/
const LAYOUT = /^log4perl\.(?:PatternLayout|appender\.[^.]+\.layout)(?:\.|$)/

interface Appender {
  readonly name: string
  /** The line with its class. */
  declared?: Property
  readonly settings: Property[]
}

interface Lines {
  readonly loggers: Property[]
  readonly appenders: Map<string, Appender>
  readonly layouts: Property[]
  readonly others: Property[]
}

function sorted(properties: readonly Property[]): Lines {
  const lines: Lines = { loggers: [], appenders: new Map(), layouts: [], others: [] }
  for (const property of properties) {
    const [, name, setting] = APPENDER.exec(property.key) ?? []
    if (LOGGER.test(property.key)) lines.loggers.push(property)
    else if (LAYOUT.test(property.key)) lines.layouts.push(property)
    else if (name === undefined) lines.others.push(property)
    else {
      const appender = lines.appenders.get(name) ?? { name, settings: [] }
      lines.appenders.set(name, appender)
      if (setting === undefined) appender.declared = property
      else appender.settings.push(property)
    }
  }
  return lines
}

function reason(key: string): string {
  return /^log4perl\.(?:logger|category|threshold)\b/.test(key) ? ONE_LEVEL : NO_COUNTERPART
}

// --- levels and appenders ---

const ONE_LEVEL = 'not used: there is one level for everything, log.level'
const NO_COUNTERPART = 'not used: nothing here does that'

function mapLevel(logger: Property, findings: Findings): void {
  const level = logger.value.split(',')[0]?.trim() ?? ''
  if (LOG_LEVELS.includes(level as LogLevel)) findings.set('log.level', level, logger)
  else if (level !== '') findings.warn(logger, `"${level}" is none of ${LOG_LEVELS.join(', ')}`)
}

type Kind = 'file' | 'screen' | 'syslog'

const KINDS: Readonly<Record<string, Kind | undefined>> = {
  'Log::Log4perl::Appender::File': 'file',
  'Log::Dispatch::File': 'file',
  'Log::Dispatch::FileRotate': 'file',
  'Log::Log4perl::Appender::Screen': 'screen',
  'Log::Dispatch::Screen': 'screen',
  'Log::Dispatch::Syslog': 'syslog',
}

/** The appender that QVD brings: a file. Lines may add to it without naming its class. */
const QVDS_OWN = 'LOGFILE'

/** The appenders that write, at most one of a kind, and where lines go because of them. */
function chosen(lines: Lines, findings: Findings): ReadonlyMap<Kind, Appender> {
  const attached = lines.loggers.flatMap((logger) =>
    listed(logger).map((name) => ({ name, logger, appender: lines.appenders.get(name) })),
  )
  const used = new Map<Kind, Appender>()
  // Who says nothing of the root's appenders keeps the one that QVD brings.
  if (!lines.loggers.some((logger) => !logger.key.endsWith('.QVD') && listed(logger).length > 0))
    used.set('file', lines.appenders.get(QVDS_OWN) ?? { name: QVDS_OWN, settings: [] })
  for (const { name, logger, appender = { name, settings: [] } } of attached) {
    const kind = kindOf(appender)
    const line = appender.declared ?? logger
    if (kind === undefined) findings.warn(line, unknown(appender))
    else if (!used.has(kind)) used.set(kind, appender)
    else if (used.get(kind) !== appender) findings.warn(line, `not used: one ${kind} is enough`)
  }
  const names = new Set([QVDS_OWN, ...attached.map(({ name }) => name)])
  for (const { name, declared, settings } of lines.appenders.values()) {
    const line = declared ?? settings[0]
    if (!names.has(name) && line !== undefined)
      findings.warn(line, 'not used: no known logger has this appender')
  }
  direct(used, attached[0]?.logger, findings)
  return used
}

/** The names of a logger's appenders: what follows the level. */
function listed(logger: Property): string[] {
  return logger.value
    .split(',')
    .slice(1)
    .map((name) => name.trim())
}

function kindOf({ name, declared }: Appender): Kind | undefined {
  if (declared === undefined) return name === QVDS_OWN ? 'file' : undefined
  return KINDS[declared.value]
}

function unknown({ name, declared }: Appender): string {
  return declared === undefined
    ? `names ${name}, which is not defined`
    : `not used: nothing here is like ${declared.value}`
}

function direct(used: ReadonlyMap<Kind, Appender>, logger: Property | undefined, findings: Findings): void {
  if (logger === undefined) return
  const screen = used.get('screen')
  if (!used.has('file')) findings.set('log.filename', '', logger)
  else if (screen !== undefined)
    findings.warn(screen.declared ?? logger, 'not used: with a file nothing goes to standard output')
  if (used.has('syslog')) findings.set('log.syslog', 'local', logger)
}

// --- settings of an appender ---

const FILE_OPTIONS: Readonly<Record<string, OptionKey | undefined>> = {
  filename: 'log.filename',
  size: 'log.file.size',
  max: 'log.file.max',
}

/** Settings that ask for what happens anyway, with the values that do. */
const ANYWAY: Readonly<Record<string, RegExp | undefined>> = {
  name: /^/,
  min_level: /^debug$/,
  mode: /^(?:>>|append)$/,
  autoflush: /^1$/,
  syswrite: /^/,
  utf8: /^1$/,
  binmode: /utf-?8/i,
  recreate: /^/,
  recreate_check_interval: /^/,
  close_after_write: /^/,
  stderr: /^0?$/,
  logopt: /^/,
}

function mapSetting(kind: Kind, property: Property, findings: Findings): void {
  const { key, value } = property
  const setting = APPENDER.exec(key)?.[2] ?? ''
  const option = kind === 'file' ? FILE_OPTIONS[setting] : undefined
  if (option !== undefined) findings.set(option, setting === 'size' ? inBytes(value) : value, property)
  else if (kind === 'syslog' && setting === 'facility')
    findings.set('log.syslog.facility', value.toLowerCase().replace(/^log_/, ''), property)
  else if (setting === 'DatePattern')
    findings.warn(property, 'not used: files are rotated by size, log.file.size')
  else if (/^threshold$/i.test(setting)) findings.warn(property, ONE_LEVEL)
  else if (!isSocket(kind, setting) && ANYWAY[setting]?.test(value) !== true)
    findings.warn(property, NO_COUNTERPART)
}

/** FileRotate wants bytes; people write 10M. */
function inBytes(value: string): string {
  const [, number, unit = ''] = /^(\d+)\s*([kmg]?)b?$/i.exec(value.trim()) ?? []
  const factor = { '': 1, k: 1 << 10, m: 1 << 20, g: 1 << 30 }[unit.toLowerCase()]
  return number === undefined || factor === undefined ? value : String(Number(number) * factor)
}

function isSocket(kind: Kind, setting: string): boolean {
  return kind === 'syslog' && /^socket(?:\.(?:type|host|port))?$/.test(setting)
}

const LOCAL_SOCKETS = ['native', 'eventlog', 'unix', 'stream', 'pipe', 'console']

/** Log::Dispatch::Syslog's `socket`: a word, a Perl hash, or keys below it. */
function mapSocket(settings: readonly Property[], findings: Findings): void {
  const parts: Record<string, string | undefined> = {}
  const lines = settings.filter(({ key }) => isSocket('syslog', APPENDER.exec(key)?.[2] ?? ''))
  for (const { key, value } of lines) {
    const part = /\.socket\.(.+)$/.exec(key)?.[1]
    if (part !== undefined) parts[part] = value
    else if (value.includes('=>'))
      for (const [, name = '', text] of value.matchAll(/(\w+)\s*=>\s*["']?([^"',}\s]+)/g)) parts[name] = text
    else parts['type'] = value
  }
  const [line] = lines
  const { type = 'native', host = '127.0.0.1', port = '514' } = parts
  if (line === undefined || LOCAL_SOCKETS.includes(type)) return
  if (!['tcp', 'udp', 'inet'].includes(type))
    findings.warn(line, `"${type}" is not known: the local syslog is used`)
  else {
    if (type === 'inet') findings.warn(line, 'inet is taken for udp')
    const address = host.includes(':') ? `[${host}]` : host
    findings.set('log.syslog', `${type === 'tcp' ? 'tcp' : 'udp'}://${address}:${port}`, line)
  }
}
