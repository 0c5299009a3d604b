/** Levels as QVD's configuration names them, most to least talkative. */
export const LOG_LEVELS = ['ALL', 'TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'OFF'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** What a line can be, weightiest first, with winston's numbers. */
export const LINE_LEVELS = { fatal: 0, error: 1, warn: 2, info: 3, debug: 4 } as const
export type LineLevel = keyof typeof LINE_LEVELS

/** The lightest lines that are still written. */
export const LIGHTEST: Readonly<Record<Exclude<LogLevel, 'OFF'>, LineLevel>> = {
  ALL: 'debug',
  TRACE: 'debug',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
  FATAL: 'fatal',
}
