import { decodeLine, HeaderLines, parseRequestLine, type Refusal, type RequestLine } from './head-parser.ts'

export interface RequestHead {
  readonly method: string
  readonly target: string
  /** By name in lower case; of several lines, all of them joined by ", ". */
  readonly headers: ReadonlyMap<string, string>
  /** A body follows, which nobody reads. */
  readonly hasBody: boolean
}

/** What the bytes so far amount to. */
export type Read =
  /** Nothing whole yet; `begun` when bytes of a head are there. */
  | { readonly kind: 'incomplete'; readonly begun: boolean }
  | { readonly kind: 'head'; readonly head: RequestHead }
  /** The request line asks for something that is another parser's; its bytes are in `takeRest`. */
  | { readonly kind: 'elsewhere' }
  /** No further head can be read. */
  | { readonly kind: 'refused'; readonly status: Refusal }

const MAX_HEAD = 16_384
const MAX_HEADERS = 100
const NOTHING = Buffer.alloc(0)
const LF = 0x0a
const CR = 0x0d
const TAB = 0x09

/**
 * Reads request heads as QVD's clients write them (compatibility page 1.1): line feeds with or without carriage
 * return, empty lines first, blanks in the target. What it says depends on the bytes alone, not on how they were cut
 * into pieces. Never throws; holds at most one head and the piece that was pushed last.
 */
export class HeadReader {
  readonly #isElsewhere: (path: string) => boolean
  #bytes: Buffer = NOTHING
  /** Where the head begins, its current line begins, and looking goes on. */
  #start = 0
  #line = 0
  #at = 0
  #skipped = 0
  #request: RequestLine | undefined
  #headers = new HeaderLines(MAX_HEADERS)
  #refused: Refusal | undefined

  /** @param isElsewhere by a target without its query, whether another parser reads such a request. */
  constructor(isElsewhere: (path: string) => boolean) {
    this.#isElsewhere = isElsewhere
  }

  push(chunk: Buffer): void {
    if (this.#refused !== undefined) return
    const kept = this.#bytes.subarray(this.#start)
    this.#bytes = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    this.#line -= this.#start
    this.#at -= this.#start
    this.#start = 0
  }

  /** Bytes that are pushed and not yet read. */
  get length(): number {
    return this.#bytes.length - this.#start
  }

  /** The next head, as far as it has come. */
  next(): Read {
    if (this.#refused !== undefined) return { kind: 'refused', status: this.#refused }
    const read = this.#scan()
    if (read.kind === 'refused') {
      this.#refused = read.status
      this.#beginHead(this.#bytes.length)
    }
    return read
  }

  /** Takes what follows the last head, or the whole of a request that goes elsewhere. */
  takeRest(): Buffer {
    const rest = this.#bytes.subarray(this.#start)
    this.#beginHead(this.#bytes.length)
    return rest
  }

  /** Looks at each byte once, in order: so the verdict is the same however they come. */
  #scan(): Read {
    const bytes = this.#bytes
    for (; this.#at < bytes.length; this.#at++) {
      const byte = bytes[this.#at]
      if (byte === LF) {
        const read = this.#endLine()
        if (read !== undefined) return read
      } else if (byte === CR) {
        // One byte more tells whether this ends a line.
        if (this.#at + 1 === bytes.length) break
        if (bytes[this.#at + 1] !== LF) return { kind: 'refused', status: 400 }
      } else if (byte === 0x7f || (byte !== undefined && byte < 0x20 && byte !== TAB))
        return { kind: 'refused', status: 400 }
      if (this.#at - this.#start + this.#skipped >= MAX_HEAD) return { kind: 'refused', status: 431 }
    }
    return { kind: 'incomplete', begun: this.length > 0 }
  }

  /** @returns nothing while the head goes on behind this line. */
  #endLine(): Read | undefined {
    const end = this.#bytes[this.#at - 1] === CR && this.#at > this.#line ? this.#at - 1 : this.#at
    if (this.#at - this.#start + this.#skipped >= MAX_HEAD) return { kind: 'refused', status: 431 }
    const line = this.#bytes.subarray(this.#line, end)
    this.#line = this.#at + 1
    if (this.#request === undefined) {
      if (line.length > 0) return this.#beginRequest(decodeLine(line), end < this.#at)
      this.#skipped += this.#line - this.#start
      this.#start = this.#line
      return undefined
    }
    if (line.length === 0) return this.#endHead(this.#request)
    const status = this.#headers.add(decodeLine(line))
    return status === undefined ? undefined : { kind: 'refused', status }
  }

  /** @param strict the line ends as the standard wants it: only then can another parser read on. */
  #beginRequest(line: string, strict: boolean): Read | undefined {
    const request = parseRequestLine(line)
    if (request === undefined) return { kind: 'refused', status: 400 }
    const elsewhere = strict && this.#isElsewhere(request.target.split('?', 1)[0] ?? '')
    if (elsewhere && request.version?.startsWith('1.') === true) return { kind: 'elsewhere' }
    if (request.version !== '1.1') return { kind: 'refused', status: 505 }
    this.#request = request
    return undefined
  }

  #endHead({ method, target }: RequestLine): Read {
    const finished = this.#headers.finish()
    if (typeof finished === 'number') return { kind: 'refused', status: finished }
    this.#beginHead(this.#line)
    return { kind: 'head', head: { method, target, ...finished } }
  }

  #beginHead(at: number): void {
    // An idle connection keeps no memory.
    if (at === this.#bytes.length) this.#bytes = NOTHING
    this.#start = this.#bytes.length === 0 ? 0 : at
    this.#line = this.#start
    this.#at = this.#start
    this.#skipped = 0
    this.#request = undefined
    this.#headers = new HeaderLines(MAX_HEADERS)
  }
}
