import { isUtf8 } from 'node:buffer'

/** Status of a head that is refused; the connection closes behind each of them. */
export type Refusal = 400 | 431 | 505

/** What a request line says. */
export interface RequestLine {
  readonly method: string
  /** Everything between method and version, blanks inside included. */
  readonly target: string
  /** `1.1`, or whatever the line names; `undefined` when it names none. */
  readonly version: string | undefined
}

/** The bytes of one line, read as UTF-8 if they are that and as Latin-1 if not. */
export function decodeLine(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : bytes.toString('latin1')
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VERSION = /^HTTP\/(\d{1,3}\.\d{1,3})$/
/** Control characters but the tab: of ASCII, and of Latin-1. */

const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/

/** @returns `undefined` for what is no request line. */
export function parseRequestLine(line: string): RequestLine | undefined {
  if (CONTROL.test(line)) return undefined
  const words = trimBlanks(line)
  const first = words.search(/[ \t]/)
  if (first === -1) return undefined
  const method = words.slice(0, first)
  if (!TOKEN.test(method)) return undefined
  const last = Math.max(words.lastIndexOf(' '), words.lastIndexOf('\t'))
  const version = VERSION.exec(words.slice(last + 1))?.[1]
  const target = trimBlanks(words.slice(first + 1, version === undefined ? undefined : last))
  // A line without a version is one of HTTP's first days if it could be a request at all.
  if (version === undefined && !target.startsWith('/')) return undefined
  return target === '' || last < first ? undefined : { method, target, version }
}

/** Collects the header lines of one head. */
export class HeaderLines {
  readonly #values = new Map<string, string>()
  /** The header that a continuation line would belong to. */
  #last: string | undefined
  #count = 0
  readonly #limit: number

  /** @param limit lines that begin a header. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** @returns the status when the head must be refused because of this line. */
  add(line: string): Refusal | undefined {
    if (CONTROL.test(line)) return 400
    if (line.startsWith(' ') || line.startsWith('\t')) return this.#continue(trimBlanks(line))
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    if (colon === -1 || !TOKEN.test(name)) return 400
    this.#count += 1
    if (this.#count > this.#limit) return 431
    const before = this.#values.get(name)
    // Two lengths are what smugglers send, also when they are equal.
    if (name === 'content-length' && before !== undefined) return 400
    const value = trimBlanks(line.slice(colon + 1))
    this.#values.set(name, before === undefined ? value : `${before}, ${value}`)
    this.#last = name
    return undefined
  }

  #continue(more: string): Refusal | undefined {
    const name = this.#last
    // Neither may it look like one of them: to somebody before us it might be one.
    if (
      name === undefined ||
      FRAMING.has(name) ||
      FRAMING.has(more.split(':', 1)[0]?.trim().toLowerCase() ?? '')
    )
      return 400
    this.#values.set(name, `${this.#values.get(name) ?? ''} ${more}`.trim())
    return undefined
  }

  /** The headers by their names in lower case, and whether a body follows. */
  finish(): { readonly headers: ReadonlyMap<string, string>; readonly hasBody: boolean } | Refusal {
    const headers = this.#values
    const length = headers.get('content-length')
    const coding = headers.get('transfer-encoding')
    if (length !== undefined && (coding !== undefined || !/^\d+$/.test(length))) return 400
    return { headers, hasBody: coding !== undefined || (length !== undefined && !/^0+$/.test(length)) }
  }
}

/** What says where a body ends must stand on one line. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding'])

function trimBlanks(text: string): string {
  let begin = 0
  let end = text.length
  while (begin < end && isBlank(text.charCodeAt(begin))) begin += 1
  while (end > begin && isBlank(text.charCodeAt(end - 1))) end -= 1
  return text.slice(begin, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}
