import type { Duplex } from 'node:stream'

/** What was wrong with a head. Its text may go to the other side. */
export class HeadError extends Error {
  /** HTTP status for who sent it. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'HeadError'
    this.status = status
  }
}

/** A head: its first line, and its headers by their names in lower case. */
export interface SlaveHead {
  /** As the bytes say it in UTF-8, or in Latin-1 when they are none: paths are sent raw. */
  readonly line: string
  readonly headers: ReadonlyMap<string, string>
}

const MAX_HEAD = 16_384
const MAX_HEADERS = 100

/**
 * Reads one head off a stream: CRLF or bare LF, empty lines before it skipped, continuation lines joined (section 1.1). The
 * stream is left paused, so that nothing is lost to whoever takes it.
 *
 * @param before what was read already.
 * @param withinMs for the whole head, however it trickles.
 * @returns the head and what came behind it; `undefined` when the stream ended before the first byte of one.
 * @throws HeadError with 408, 431 or 400. A stream that breaks has ended: whoever made it listens for its errors.
 */
export async function readHead(
  stream: Duplex,
  before: Buffer,
  withinMs: number,
): Promise<{ head: SlaveHead; rest: Buffer } | undefined> {
  const late = performance.now() + withinMs
  let bytes = withoutEmptyLines(before)
  for (;;) {
    const end = endOfHead(bytes)
    if ((end?.begin ?? bytes.length) > MAX_HEAD) throw new HeadError(431, 'the head is too large')
    if (end !== undefined)
      return { head: parseHead(bytes.subarray(0, end.begin)), rest: bytes.subarray(end.behind) }
    const chunk = await readChunk(stream, late - performance.now())
    if (chunk === undefined) {
      if (bytes.length === 0) return undefined
      throw new HeadError(400, 'the head has no end')
    }
    bytes = withoutEmptyLines(Buffer.concat([bytes, chunk]))
  }
}

/**
 * Reads exactly `length` bytes of a body.
 * @returns them and what came behind them.
 * @throws HeadError with 408 when they do not come in time, or 400 when the stream ends before.
 */
export async function readExactly(
  stream: Duplex,
  before: Buffer,
  length: number,
  withinMs: number,
): Promise<{ body: Buffer; rest: Buffer }> {
  const late = performance.now() + withinMs
  const chunks = [before]
  let have = before.length
  while (have < length) {
    const chunk = await readChunk(stream, late - performance.now())
    if (chunk === undefined) throw new HeadError(400, 'the body is shorter than it says')
    chunks.push(chunk)
    have += chunk.length
  }
  const all = Buffer.concat(chunks)
  return { body: all.subarray(0, length), rest: all.subarray(length) }
}

/** The next bytes, or `undefined` at the end. */
function readChunk(stream: Duplex, withinMs: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    if (stream.destroyed || stream.readableEnded) return resolve(undefined)
    const done = (): void => {
      clearTimeout(timer)
      stream.pause()
      stream.off('data', onData).off('end', onEnd).off('close', onEnd)
    }
    const onData = (chunk: Buffer): void => {
      done()
      resolve(chunk)
    }
    const onEnd = (): void => {
      done()
      resolve(undefined)
    }
    const timer = setTimeout(
      () => {
        done()
        reject(new HeadError(408, 'it took too long'))
      },
      Math.max(withinMs, 0),
    )
    stream.on('data', onData).on('end', onEnd).on('close', onEnd)
    stream.resume()
  })
}

function withoutEmptyLines(bytes: Buffer): Buffer {
  let begin = 0
  while (bytes[begin] === 10 || (bytes[begin] === 13 && bytes[begin + 1] === 10)) begin += 1
  return bytes.subarray(begin)
}

/** Where the empty line is: LF LF or LF CR LF. */
function endOfHead(bytes: Buffer): { begin: number; behind: number } | undefined {
  for (let line = bytes.indexOf(10); line !== -1; line = bytes.indexOf(10, line + 1)) {
    if (bytes[line + 1] === 10) return { begin: line, behind: line + 2 }
    if (bytes[line + 1] === 13 && bytes[line + 2] === 10) return { begin: line, behind: line + 3 }
  }
  return undefined
}

function parseHead(bytes: Buffer): SlaveHead {
  const [line = '', ...rest] = textOf(bytes)
    .replace(/\r$/, '')
    .replaceAll('\r\n', '\n')
    .replaceAll(/\n[ \t]+/g, ' ')
    .split('\n')
  if (/[\0\r]/.test(line) || rest.length > MAX_HEADERS) throw new HeadError(400, 'this is no HTTP')
  const headers = new Map<string, string>()
  for (const text of rest) {
    const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([^\0\r]*?)[ \t\r]*$/.exec(text) ?? []
    if (name === undefined || value === undefined) throw new HeadError(400, 'a header is none')
    const key = name.toLowerCase()
    // Two keys or two lengths: whoever believes the one would be led by the other.
    if (headers.has(key)) throw new HeadError(400, `${key} is given twice`)
    headers.set(key, value)
  }
  return { line: line.trimEnd(), headers }
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return bytes.toString('latin1')
  }
}
