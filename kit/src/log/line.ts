import type { Logform } from 'winston'
import { printable } from './redact.ts'
import type { LossNotice } from './sink.ts'

/** Where winston's formats leave the finished line for the transports. */
const LINE = Symbol.for('message')

/** On every line. */
export interface LogIdentity {
  readonly process: string
  readonly pid: number
}

/** winston's format of our lines: one JSON object with time, level and message first, and no secret in it. */
export function jsonLines(identity: LogIdentity): Logform.Format {
  return {
    transform: (info) => {
      const { level, message, ...fields } = info
      info[LINE] = jsonLine(level, message, identity, fields)
      return info
    },
  }
}

/** The line that the format has left. */
export function lineOf(info: Logform.TransformableInfo): string {
  return String(info[LINE])
}

/** Tells how many lines were lost, in a line like all others. */
export function lossNotice(identity: LogIdentity): LossNotice {
  return (lost) =>
    jsonLine('warn', `${lost} log ${lost === 1 ? 'line was' : 'lines were'} lost`, identity, { lost })
}

function jsonLine(level: string, message: unknown, identity: LogIdentity, fields: object): string {
  return JSON.stringify({
    timestamp: new Date().toISOString(),
    level,
    message: printable(message),
    ...identity,
    ...(printable(fields) as object),
  })
}
