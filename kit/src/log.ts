import { writeSync } from 'node:fs'
import winston from 'winston'

/** Levels as QVD's configuration names them, most to least talkative. */
export const LOG_LEVELS = ['ALL', 'TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'OFF'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

type Fields = Readonly<Record<string, unknown>>

/** A log with static messages; everything that varies is a field. */
export interface Log {
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
  /** A log whose lines all carry `fields`. */
  child(fields: Fields): Log
  /** Writes out what is queued. Nothing may be logged afterwards. */
  close(): Promise<void>
}

const WINSTON_LEVEL: Readonly<Record<LogLevel, string>> = {
  ALL: 'silly',
  TRACE: 'silly',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
  FATAL: 'error',
  OFF: 'error',
}

/**
 * Opens the log of a process: JSON lines on standard output, or in `filename` when it is not empty.
 * @param options `name` is the process's name, on every line.
 */
export function openLog(options: { name: string; level: LogLevel; filename?: string }): Log {
  const logger = winston.createLogger({
    level: WINSTON_LEVEL[options.level],
    silent: options.level === 'OFF',
    defaultMeta: { process: options.name, pid: process.pid },
    format: winston.format.combine(winston.format.timestamp(), plainErrors(), winston.format.json()),
    transports: [
      options.filename === undefined || options.filename === ''
        ? new winston.transports.Console()
        : new winston.transports.File({ filename: options.filename }),
    ],
  })
  logger.on('error', (error: Error) => complain(`log failed: ${error.message}`))
  return wrap(logger, async () => {
    await new Promise<void>((resolve) => {
      logger.once('finish', () => resolve())
      logger.end()
    })
  })
}

/** Says something on standard error at once, past every queue: for the last words of a process. */
export function complain(text: string): void {
  try {
    writeSync(2, `${text}\n`)
  } catch {
    // nobody is listening
  }
}

/** A log that drops everything, for parts whose caller wants no log. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
  close: () => Promise.resolve(),
}

function wrap(logger: winston.Logger, close: () => Promise<void>): Log {
  return {
    debug: (message, fields) => void logger.debug(message, fields),
    info: (message, fields) => void logger.info(message, fields),
    warn: (message, fields) => void logger.warn(message, fields),
    error: (message, fields) => void logger.error(message, fields),
    child: (fields) => wrap(logger.child(fields), () => Promise.resolve()),
    close,
  }
}

/** Errors as fields: name, message, code and cause; stacks only for what nobody expected. */
const plainErrors = winston.format((info) => {
  for (const [key, value] of Object.entries(info)) if (value instanceof Error) info[key] = describe(value)
  return info
})

function describe(error: Error): Record<string, unknown> {
  const code = (error as { code?: unknown }).code
  return {
    name: error.name,
    message: error.message,
    ...(code === undefined ? { stack: error.stack } : { code }),
    ...(error.cause instanceof Error ? { cause: describe(error.cause) } : {}),
  }
}
