import type { Duplex } from 'node:stream'

/** One response head. */
export interface Head {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
}

/** What an upgrade came to: a stream with what already came on it, or a final answer with its body. */
export type UpgradeResult = { readonly head: Head; readonly rest: Buffer }

const MAX_HEAD = 65_536

/**
 * Reads response heads off a raw stream until one is final: 101, or anything from 200 on. QVD's servers send a 101
 * without the headers that HTTP asks for, so Node's own client does not take it for an upgrade.
 *
 * @param onInterim gets every 102.
 * @throws Error when the stream ends first, or what comes is no HTTP.
 */
export async function readUpgrade(stream: Duplex, onInterim: (head: Head) => void): Promise<UpgradeResult> {
  let buffer: Buffer = Buffer.alloc(0)
  for (;;) {
    const end = buffer.indexOf('\r\n\r\n')
    if (end === -1) {
      if (buffer.length > MAX_HEAD) throw new Error('the answer has no end')
      buffer = Buffer.concat([buffer, await nextChunk(stream)])
      continue
    }
    const head = parseHead(buffer.toString('latin1', 0, end))
    buffer = buffer.subarray(end + 4)
    if (head.status === 101 || head.status >= 200) return { head, rest: buffer }
    onInterim(head)
  }
}

/** Reads the body of a final answer: as long as it says, else until the end. */
export async function readBody(stream: Duplex, { head, rest }: UpgradeResult): Promise<string> {
  const length = Number(head.headers.get('content-length') ?? Infinity)
  let body = rest
  while (body.length < length) {
    try {
      body = Buffer.concat([body, await nextChunk(stream)])
    } catch {
      break
    }
  }
  return body.subarray(0, length).toString('utf8')
}

function parseHead(text: string): Head {
  const [line = '', ...lines] = text.split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})(?: |$)/.exec(line)?.[1])
  if (!Number.isInteger(status)) throw new Error('the answer is not HTTP')
  const headers = lines.map((header): [string, string] => {
    const colon = header.indexOf(':')
    return [header.slice(0, colon).trim().toLowerCase(), header.slice(colon + 1).trim()]
  })
  return { status, headers: new Map(headers) }
}

/** A server that works says something every second. */
const SILENCE_MS = 30_000

/** The next bytes; the stream is left paused, so that nothing is lost between two calls. */
function nextChunk(stream: Duplex): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const silent = setTimeout(() => {
      done()
      reject(new Error('the server is silent'))
    }, SILENCE_MS)
    const done = (): void => {
      clearTimeout(silent)
      stream.pause()
      stream.off('data', onData)
      stream.off('end', onEnd)
      stream.off('close', onEnd)
    }
    const onData = (chunk: Buffer): void => {
      done()
      resolve(chunk)
    }
    const onEnd = (): void => {
      done()
      reject(new Error('the connection ended before the answer'))
    }
    if (stream.destroyed || stream.readableEnded) return onEnd()
    stream.on('data', onData)
    stream.once('end', onEnd)
    stream.once('close', onEnd)
    stream.resume()
  })
}
