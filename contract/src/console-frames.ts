import { Fault } from './fault.ts'
import type { Role } from './identity.ts'

/**
 * How a console is asked for: an HTTP/1.1 upgrade on the agent's port, with a ticket (`console-ticket.ts`).
 * After the 101 both ends send frames and nothing else.
 */
export const consoleApi = {
  path: '/vma/console',
  upgrade: 'ostler-console',
  ticketHeader: 'x-ostler-ticket',
  /** `COLUMNSxROWS` of the terminal at its start; 80x24 without it. */
  sizeHeader: 'x-ostler-console-size',
  callers: ['hkd', 'l7r'] as readonly Role[],
} as const

/** Size of a terminal in characters, each side from 1 to `MAX_SIDE`. */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/** Longest side of a terminal. */
export const MAX_SIDE = 1_000

/**
 * One message of a console. The caller sends `data` (what is typed) and `size`; the agent sends `data` (what is
 * printed), `note` (a sentence for the person) and, last of all, `exit`. Empty data is a sign of life.
 */
export type ConsoleFrame =
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  | { readonly type: 'size'; readonly size: TerminalSize }
  | { readonly type: 'exit'; readonly code: number }
  | { readonly type: 'note'; readonly text: string }

/** On the wire: the number of the type in one byte, the length in four (big endian), the content. */
const TYPES = ['data', 'size', 'exit', 'note'] as const satisfies readonly ConsoleFrame['type'][]
const HEADER = 5
/** Longest content of one frame. */
export const MAX_CONTENT = 65_536
/** How often the agent gives a sign of life, so that it notices a caller who has gone without a word. */
export const CONSOLE_HEARTBEAT_MS = 5_000

/**
 * A frame as bytes. Data of any length becomes as many frames as it needs.
 * @throws RangeError for a size or an exit code that does not exist, or a note of more than 64 KiB.
 */
export function encodeFrame(frame: ConsoleFrame): Uint8Array {
  switch (frame.type) {
    case 'data':
      return encodeData(frame.bytes)
    case 'size': {
      const { columns, rows } = frame.size
      if (!isSide(columns) || !isSide(rows)) throw new RangeError(`no terminal has ${columns} by ${rows}`)
      const content = new Uint8Array(4)
      new DataView(content.buffer).setUint16(0, columns)
      new DataView(content.buffer).setUint16(2, rows)
      return encodeOne('size', content)
    }
    case 'exit':
      if (!Number.isInteger(frame.code) || frame.code < 0 || frame.code > 255)
        throw new RangeError(`no program exits with ${frame.code}`)
      return encodeOne('exit', Uint8Array.of(frame.code))
    case 'note': {
      const content = new TextEncoder().encode(frame.text)
      if (content.length > MAX_CONTENT) throw new RangeError(`a note of ${content.length} bytes is too long`)
      return encodeOne('note', content)
    }
  }
}

function encodeData(bytes: Uint8Array): Uint8Array {
  const frames = Math.max(1, Math.ceil(bytes.length / MAX_CONTENT))
  const out = new Uint8Array(frames * HEADER + bytes.length)
  for (let index = 0, at = 0; index < frames; index++) {
    const part = bytes.subarray(index * MAX_CONTENT, (index + 1) * MAX_CONTENT)
    writeHeader(out, at, 'data', part.length)
    out.set(part, at + HEADER)
    at += HEADER + part.length
  }
  return out
}

function encodeOne(type: ConsoleFrame['type'], content: Uint8Array): Uint8Array {
  const out = new Uint8Array(HEADER + content.length)
  writeHeader(out, 0, type, content.length)
  out.set(content, HEADER)
  return out
}

function writeHeader(out: Uint8Array, at: number, type: ConsoleFrame['type'], length: number): void {
  const view = new DataView(out.buffer, out.byteOffset + at)
  view.setUint8(0, TYPES.indexOf(type))
  view.setUint32(1, length)
}

/**
 * Reads frames out of a stream, however it is cut. Holds at most one frame's bytes.
 * What it returns is its own: the chunks may be used again.
 */
export class FrameParser {
  readonly #header = new Uint8Array(HEADER)
  /** What is being filled: the header, then the content. */
  #part = this.#header
  #filled = 0

  /**
   * Takes the next bytes and returns the frames that they complete.
   * @throws Fault `console.malformed`; the parser is of no use afterwards.
   */
  push(chunk: Uint8Array): ConsoleFrame[] {
    const frames: ConsoleFrame[] = []
    for (let rest = chunk; rest.length > 0;) {
      const taken = rest.subarray(0, this.#part.length - this.#filled)
      this.#part.set(taken, this.#filled)
      this.#filled += taken.length
      rest = rest.subarray(taken.length)
      if (this.#filled < this.#part.length) break
      if (this.#part === this.#header) {
        this.#begin(new Uint8Array(contentLength(this.#header)))
        if (this.#part.length > 0) continue
      }
      frames.push(decode(typeOf(this.#header), this.#part))
      this.#begin(this.#header)
    }
    return frames
  }

  #begin(part: Uint8Array<ArrayBuffer>): void {
    this.#part = part
    this.#filled = 0
  }
}

function typeOf(header: Uint8Array): ConsoleFrame['type'] {
  const type = TYPES[header[0] ?? 0]
  if (type === undefined) throw malformed(`type ${header[0] ?? 0} does not exist`)
  return type
}

function contentLength(header: Uint8Array): number {
  const type = typeOf(header)
  const length = new DataView(header.buffer).getUint32(1)
  const right = type === 'size' ? length === 4 : type === 'exit' ? length === 1 : length <= MAX_CONTENT
  if (!right) throw malformed(`${length} is no length of a frame of type ${type}`)
  return length
}

function decode(type: ConsoleFrame['type'], content: Uint8Array): ConsoleFrame {
  switch (type) {
    case 'size': {
      const view = new DataView(content.buffer)
      const size = { columns: view.getUint16(0), rows: view.getUint16(2) }
      if (!isSide(size.columns) || !isSide(size.rows))
        throw malformed(`no terminal has ${size.columns} by ${size.rows}`)
      return { type: 'size', size }
    }
    case 'exit':
      return { type: 'exit', code: content[0] ?? 0 }
    case 'note':
      return { type: 'note', text: new TextDecoder().decode(content) }
    case 'data':
      return { type: 'data', bytes: content }
  }
}

/** Reads `COLUMNSxROWS`; `undefined` when it is none, or a side is out of range. */
export function parseSize(text: string): TerminalSize | undefined {
  const [, columns, rows] = (/^(\d{1,4})x(\d{1,4})$/.exec(text) ?? []).map(Number)
  return columns !== undefined && rows !== undefined && isSide(columns) && isSide(rows)
    ? { columns, rows }
    : undefined
}

function isSide(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= MAX_SIDE
}

function malformed(problem: string): Fault {
  return new Fault('console.malformed', { problem })
}
