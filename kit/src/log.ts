import type { LogEntry } from 'winston'
import createLogger from 'winston/lib/winston/create-logger.js'
import { cause } from './log/cause.ts'
import { complain } from './log/complain.ts'
import { LIGHTEST, LINE_LEVELS, type LineLevel } from './log/level.ts'
import { jsonLines, lossNotice } from './log/line.ts'
import type { LogSettings } from './log/options.ts'
import type { LogSink, LossNotice } from './log/sink.ts'
import { SinkTransport } from './log/sink-transport.ts'

type Fields = Readonly<Record<string, unknown>>

/** A log with static messages; everything that varies is a field. It never throws and never waits. */
export interface Log {
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
  /** The process cannot go on. */
  fatal(message: string, fields?: Fields): void
  /** A log whose lines all carry `fields`. */
  child(fields: Fields): Log
  /** Writes out what is queued, for two seconds at most. What is logged afterwards is lost. */
  close(): Promise<void>
}

/**
 * Opens the log of a process. What cannot be written is counted and told when writing works again; a log that
 * cannot be opened costs lines, never the process.
 * @param options `name` is the process's name, on every line.
 */
export async function openLog(options: { name: string; settings: LogSettings }): Promise<Log> {
  const { name, settings } = options
  if (settings.level === 'OFF') return silentLog
  const identity = { process: name, pid: process.pid }
  const sinks = await openSinks(name, settings, lossNotice(identity))
  const logger = createLogger({
    levels: LINE_LEVELS,
    level: LIGHTEST[settings.level],
    format: jsonLines(identity),
    transports: sinks.map((sink) => new SinkTransport(sink)),
  })
  logger.on('error', (error: Error) => complain(`log failed: ${error.message}`))
  let closed: Promise<void> | undefined
  const write: Write = (level, message, fields) => {
    // winston itself would make the whole line before it looks at the level.
    if (closed !== undefined || !logger.isLevelEnabled(level)) return
    try {
      const connection = cause()
      const caused = connection === undefined ? {} : { connection }
      logger.log(Object.assign(caused, ...fields, { level, message }) as LogEntry)
    } catch (error) {
      complain(`log line lost: ${String(error)}`) // fields may have getters, and getters may throw
    }
  }
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      logger.once('finish', () => resolve())
      logger.end()
    })
  return new FieldLog(write, () => (closed ??= close()))
}

/** Loads what is configured and nothing else: an idle process pays for every module. */
async function openSinks(name: string, settings: LogSettings, notice: LossNotice): Promise<LogSink[]> {
  const sinks: LogSink[] = []
  if (settings.file === undefined) {
    const { standardOutput } = await import('./log/standard-output.ts')
    sinks.push(standardOutput(notice))
  } else {
    const [{ Appender }, { RotatingFile }] = await Promise.all([
      import('./log/appender.ts'),
      import('./log/rotating-file.ts'),
    ])
    sinks.push(new Appender(new RotatingFile(settings.file), notice))
  }
  if (settings.syslog !== undefined) {
    const { openSyslog } = await import('./log/syslog.ts')
    sinks.push(await openSyslog(name, settings.syslog, notice))
  }
  return sinks
}

const drop = (): void => {}

/** A log that drops everything, for parts whose caller wants no log. */
export const silentLog: Log = {
  debug: drop,
  info: drop,
  warn: drop,
  error: drop,
  fatal: drop,
  child: () => silentLog,
  close: () => Promise.resolve(),
}

type Write = (level: LineLevel, message: string, fields: readonly (Fields | undefined)[]) => void

/** A log and its children, of which a door has one per session: so methods, and not six functions for each. */
class FieldLog implements Log {
  readonly #write: Write
  readonly #inherited: readonly Fields[]
  readonly #close: () => Promise<void>

  constructor(write: Write, close: () => Promise<void>, inherited: readonly Fields[] = []) {
    this.#write = write
    this.#close = close
    this.#inherited = inherited
  }

  debug(message: string, fields?: Fields): void {
    this.#write('debug', message, [...this.#inherited, fields])
  }

  info(message: string, fields?: Fields): void {
    this.#write('info', message, [...this.#inherited, fields])
  }

  warn(message: string, fields?: Fields): void {
    this.#write('warn', message, [...this.#inherited, fields])
  }

  error(message: string, fields?: Fields): void {
    this.#write('error', message, [...this.#inherited, fields])
  }

  fatal(message: string, fields?: Fields): void {
    this.#write('fatal', message, [...this.#inherited, fields])
  }

  child(fields: Fields): Log {
    return new FieldLog(this.#write, () => Promise.resolve(), [...this.#inherited, fields])
  }

  close(): Promise<void> {
    return this.#close()
  }
}
