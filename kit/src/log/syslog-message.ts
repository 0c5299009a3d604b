import type { LineLevel } from './level.ts'

/** Facilities by syslog's numbers; the four between ftp and local0 have no name that all systems share. */
const FACILITY_NUMBERS = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const

export type Facility = keyof typeof FACILITY_NUMBERS
export const FACILITIES = Object.keys(FACILITY_NUMBERS) as Facility[]

const SEVERITY: Readonly<Record<LineLevel, number>> = { fatal: 2, error: 3, warn: 4, info: 6, debug: 7 }

/** Syslog servers refuse, cut or split more than 8 KiB by default. */
const MAX_MESSAGE = 8_000

/** Who sends: what syslog wants to know beside the line. */
export interface SyslogSender {
  readonly facility: Facility
  /** Name of the program. */
  readonly tag: string
  readonly pid: number
  readonly host: string
}

/** `<30>`: facility and severity in one number. */
export function priority(facility: Facility, level: LineLevel): string {
  return `<${FACILITY_NUMBERS[facility] * 8 + SEVERITY[level]}>`
}

/** One message of RFC 5424 without structured data, at most 8 000 bytes. */
export function rfc5424(sender: SyslogSender, line: string, level: LineLevel): string {
  const header = [
    `${priority(sender.facility, level)}1`,
    new Date().toISOString(),
    word(sender.host, 255),
    word(sender.tag, 48),
    String(sender.pid),
    '- -',
  ]
  return cut(`${header.join(' ')} ${line}`)
}

/** The frame of RFC 6587 for TCP: the message behind its length. */
export function octetCounted(message: string): string {
  return `${Buffer.byteLength(message)} ${message}`
}

/** At most 8 000 bytes of a text, no character broken. */
export function cut(text: string): string {
  if (Buffer.byteLength(text) <= MAX_MESSAGE) return text
  const bytes = Buffer.from(text)
  let end = MAX_MESSAGE
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.toString('utf8', 0, end)
}

/** A word as RFC 5424 wants it: printable ASCII without blanks, `-` for nothing. */
function word(text: string, length: number): string {
  return text.replace(/[^!-~]/g, '').slice(0, length) || '-'
}
