import type { Secret } from '@ostler/kit/secret.ts'
import { createHash, timingSafeEqual } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { Fault } from './fault.ts'
import { HeadError, readExactly, readHead, type SlaveHead } from './slave-head.ts'
import { PROGRESS_HEADER, SLAVE_ROUTES, SLAVE_VERSION } from './slave.ts'

/** A request whose key was right. */
export interface SlaveRequest {
  /** What the `*` or `**` of the route stood for: raw, as it was sent. */
  readonly rest: string
  /** Headers by their names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** The raw stream, for who answers with an `upgrade`; what came on it already is `head`. */
  readonly stream: Duplex
  readonly head: Buffer
  /** Sends a 102 that says what is being done, so that who asked goes on waiting: QVD's guests wait 120 s for each. */
  readonly progress: (doing: string) => Promise<void>
}

/** An answer with a text, after which the connection goes on; or a 101, after which the stream is somebody else's. */
export type SlaveAnswer =
  | { readonly status: number; readonly text: string }
  | {
      readonly upgrade: Readonly<Record<string, string>>
      /** Called when the 101 is on its way. The stream is the taker's to close. */
      readonly take: () => void
    }

export interface SlaveRoute {
  /** `METHOD /path`; a last component `*` stands for one component, `**` for the rest. */
  readonly route: string
  /** The longest body, in bytes; none by default. */
  readonly maxBody?: number
  /** Asked before the body is read: what is refused anyway need not be taken in. @throws Fault, which ends the connection. */
  readonly before?: (rest: string) => void
  /** A place that is taken before the body is read and given back with the answer: bodies are in memory. @throws Fault. */
  readonly place?: () => Disposable
  /** @throws Fault, whose status and sentence are the answer; anything else is a 500. */
  answer(request: SlaveRequest): SlaveAnswer | Promise<SlaveAnswer>
}

export interface SlaveServer {
  /**
   * The session's key; of `undefined` nobody has the right one. `by socket`: who may open the socket may call, as its file says.
   */
  readonly key: (() => Secret | undefined) | 'by socket'
  readonly routes: readonly SlaveRoute[]
  /** Told of each refusal and failure, for a log: never of a key. */
  readonly onTrouble: (what: string, detail: { status: number; reason: string; error?: unknown }) => void
}

const HEAD_MS = 10_000
const BODY_MS = 120_000

/** What both ends answer. */
const COMMON: readonly SlaveRoute[] = [
  { route: SLAVE_ROUTES.ping, answer: () => ({ status: 200, text: 'Pong!\n' }) },
  { route: SLAVE_ROUTES.version, answer: () => ({ status: 200, text: `${SLAVE_VERSION}\n` }) },
]

/**
 * Serves one connection of the slave channel: one request after the other until either end closes, a route takes the stream, or
 * a request cannot be understood. Nothing is looked at before the key was right: without one the answer is 401, with a wrong one
 * 403, and the connection ends; both take the same time for every wrong key.
 *
 * @returns when the stream has been closed or taken. Never throws.
 */
export async function serveSlave(stream: Duplex, server: SlaveServer): Promise<void> {
  stream.on('error', () => stream.destroy())
  let before: Buffer = Buffer.alloc(0)
  try {
    for (;;) {
      const read = await readHead(stream, before, HEAD_MS)
      if (read === undefined) break
      const rest = await serveOne(stream, server, read.head, read.rest)
      if (rest === 'taken') return
      if (read.head.headers.get('connection')?.toLowerCase() === 'close') break
      before = rest
    }
  } catch (error) {
    const { status, text } = refusalOf(error)
    server.onTrouble('request refused', { status, reason: text, ...(status === 500 ? { error } : {}) })
    await send(stream, status, text, status === 401 ? { 'WWW-Authenticate': 'Basic realm="QVD"' } : {})
  }
  stream.end()
  // Who never closes its half must not keep ours.
  const hurry = setTimeout(() => stream.destroy(), HEAD_MS)
  stream.once('close', () => clearTimeout(hurry))
  stream.resume()
}

/** What ends a connection before a route is asked. */
class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

async function serveOne(
  stream: Duplex,
  server: SlaveServer,
  { line, headers }: SlaveHead,
  behind: Buffer,
): Promise<Buffer | 'taken'> {
  const [, method, target] = /^([A-Z]{1,16}) (\/.*?) +HTTP\/1\.[01]$/s.exec(line) ?? []
  if (method === undefined || target === undefined) throw new Refusal(400, 'this is no HTTP/1.1')
  if (server.key !== 'by socket') requireKey(headers.get('authorization'), server.key())
  const length = bodyLength(headers)
  const found = findRoute([...COMMON, ...server.routes], method, target)
  // What nobody reads would be taken for the next request.
  if (length > (found?.route.maxBody ?? 0)) throw new Refusal(413, 'the body is too large')
  if (found === undefined) {
    await send(stream, 404, `there is nothing at ${method} ${target}`)
    return behind
  }
  found.route.before?.(found.rest)
  using _place = found.route.place?.()
  const { body, rest } = await readExactly(stream, behind, length, BODY_MS)
  const progress = (doing: string): Promise<void> => write(stream, headOf(102, { [PROGRESS_HEADER]: doing }))
  const request = { rest: found.rest, headers, body, stream, head: rest, progress }
  const answer = await answerOf(found.route, request, server)
  if ('take' in answer) {
    await write(stream, headOf(101, answer.upgrade))
    answer.take()
    return 'taken'
  }
  await send(stream, answer.status, answer.text)
  return rest
}

async function answerOf(route: SlaveRoute, request: SlaveRequest, server: SlaveServer): Promise<SlaveAnswer> {
  try {
    return await route.answer(request)
  } catch (error) {
    const { status, text } = refusalOf(error)
    server.onTrouble(route.route, { status, reason: text, ...(status === 500 ? { error } : {}) })
    return { status, text }
  }
}

/** `Basic` and the bare key, not base64 of a name and a password (section 5.1). */
function requireKey(authorization: string | undefined, key: Secret | undefined): void {
  if (authorization === undefined) throw new Refusal(401, 'the key of the session is missing')
  const given = /^Basic +(\S+)$/i.exec(authorization)?.[1] ?? ''
  const wanted = key?.reveal() ?? ''
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  const isSame = timingSafeEqual(digest(given), digest(wanted))
  if (!isSame || wanted === '') throw new Refusal(403, 'the key is not that of the session')
}

function bodyLength(headers: ReadonlyMap<string, string>): number {
  if (headers.has('transfer-encoding')) throw new Refusal(411, 'a body needs a Content-Length')
  const text = headers.get('content-length') ?? '0'
  if (!/^\d{1,15}$/.test(text)) throw new Refusal(400, 'Content-Length is no length')
  return Number(text)
}

function findRoute(
  routes: readonly SlaveRoute[],
  method: string,
  target: string,
): { route: SlaveRoute; rest: string } | undefined {
  for (const route of routes) {
    const [verb = '', path = ''] = route.route.split(' ')
    if (verb !== method) continue
    const fixed = path.replace(/\*{1,2}$/, '')
    if (fixed === path) {
      // A query is nobody's (section 1.1), but a path of the routes below may have its question marks.
      if (target.split('?')[0] === path) return { route, rest: '' }
      continue
    }
    const rest = target.slice(fixed.length)
    if (!target.startsWith(fixed) || rest === '') continue
    if (path.endsWith('/**') || !rest.includes('/')) return { route, rest }
  }
  return undefined
}

/** What a failure is to the other side: its own sentence when it is one of ours, else nothing but that there was one. */
function refusalOf(error: unknown): { status: number; text: string } {
  if (error instanceof Refusal || error instanceof HeadError)
    return { status: error.status, text: error.message }
  return error instanceof Fault
    ? { status: error.status, text: error.message }
    : { status: 500, text: 'it failed; the log says why' }
}

function headOf(status: number, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`
}

async function send(
  stream: Duplex,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const body = text.endsWith('\n') ? text : `${text}\n`
  const plain = { 'Content-Type': 'text/plain', 'Content-Length': String(Buffer.byteLength(body)) }
  await write(stream, headOf(status, { ...plain, ...headers }) + body)
}

/** Waits until it is written, or the stream has gone: then the next read tells. */
function write(stream: Duplex, text: string): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) return resolve()
    stream.once('close', resolve)
    stream.write(text, () => {
      stream.off('close', resolve)
      resolve()
    })
  })
}
