import { parseClientOptions } from '@ostler/contract/client-options.ts'
import { randomUUID } from 'node:crypto'
import { parse as parseCookies } from 'hono/utils/cookie'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws'
import type { SignedIn, SignInDesk } from '../auth/sign-in.ts'
import { COOKIE_NAME, type CookieJar } from './cookie.ts'
import { fromIncoming } from './http/request.ts'
import { carry } from './carry.ts'
import { type DoorParts, openDesktop } from './open-desktop.ts'
import type { HeldSeat } from './seat-keeper.ts'
import { requireSameOrigin, guestOf } from './portal.ts'
import { parseTarget } from './http/request.ts'
import { asFault, replyFault, replyOn } from './respond.ts'

const DISPLAY_PATH = /^\/portal\/desktops\/(\d{1,9})\/display$/

/** Close codes of our own: 4000 plus the fault's HTTP status. The reason says it in words. */
const CLOSE_BASE = 4_000
/** Bytes that a close frame has room for. */
const MAX_REASON = 120
/** So long a browser has to take what was said last. */
const LINGER_MS = 5_000
/** So long a browser whose display has closed waits for the reason. */
const REASON_MS = 1_000

/** RFB for browsers: a WebSocket whose binary messages are the raw stream, as noVNC speaks it. */
export interface BrowserDisplay {
  owns(path: string): boolean
  connect(request: IncomingMessage, socket: Duplex, head: Buffer, signal: AbortSignal): Promise<void>
}

/** Several as one: the first that owns a path has it. */
export function anyOf(...doors: readonly BrowserDisplay[]): BrowserDisplay {
  const ownerOf = (path: string): BrowserDisplay | undefined => doors.find((door) => door.owns(path))
  return {
    owns: (path) => ownerOf(path) !== undefined,
    connect: async (request, ...rest) => {
      await ownerOf(parseTarget(request.url ?? '').path)?.connect(request, ...rest)
    },
  }
}

export function browserDisplay(parts: DoorParts, jar: CookieJar, desk: SignInDesk): BrowserDisplay {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: 1 << 20,
    handleProtocols: (protocols) => (protocols.has('binary') ? 'binary' : false),
  })
  return {
    owns: (path) => DISPLAY_PATH.test(path),
    connect: async (request, socket, head, signal) => {
      try {
        requireSameOrigin(request.headers.origin, request.headers.host)
        const cookie = parseCookies(request.headers.cookie ?? '', COOKIE_NAME)[COOKIE_NAME]
        const guest = await guestOf(parts, desk, jar, cookie)
        const webSocket = await new Promise<WebSocket>((resolve) =>
          server.handleUpgrade(request, socket, head, resolve),
        )
        await show(parts, guest, request, webSocket, signal)
      } catch (error) {
        if (!socket.destroyed) replyFault(replyOn(socket), error, parts.log)
      }
    },
  }
}

/** One browser, from its WebSocket to the end of its stream. A failure closes it with a code and a sentence. */
async function show(
  parts: DoorParts,
  guest: SignedIn,
  request: IncomingMessage,
  webSocket: WebSocket,
  stopping: AbortSignal,
): Promise<void> {
  const receivedAt = performance.now()
  const log = parts.log.child({ connection: randomUUID() })
  const left = new AbortController()
  webSocket.on('error', () => webSocket.terminate())
  webSocket.once('close', () => left.abort(new Error('the browser left')))
  const { path, parameters } = parseTarget(request.url ?? '')
  const vmId = Number(DISPLAY_PATH.exec(path)?.[1])
  try {
    parseClientOptions(parameters)
    const signal = AbortSignal.any([left.signal, stopping])
    const opened = await openDesktop(
      parts,
      {
        guest,
        address: fromIncoming(request).connection.address,
        vmId,
        display: 'rfb',
        parameters: clientOnly(parameters),
        receivedAt,
        log,
      },
      () => {},
      signal,
    )
    await using seat = opened.seat
    // Said before the stream goes, so that the loser of a take-over is told why.
    const cut = AbortSignal.any([stopping, seat.signal])
    cut.addEventListener('abort', () => closeWith(webSocket, cut.reason, parts), { once: true })
    const stream = streamOf(webSocket)
    await carry(opened, stream, { signal: cut }, log.child({ vm: vmId, user: guest.login, display: 'rfb' }))
    if (webSocket.readyState === webSocket.OPEN) await tellIfTaken(seat)
    webSocket.close(1000)
  } catch (error) {
    closeWith(webSocket, error, parts)
  } finally {
    const deadline = setTimeout(() => webSocket.terminate(), LINGER_MS)
    webSocket.once('close', () => clearTimeout(deadline))
    if (webSocket.readyState === webSocket.CLOSED) clearTimeout(deadline)
  }
}

/**
 * The bytes of a WebSocket as a stream. Its end does not tear the socket down, or the closing words would be lost
 * that wait behind the last picture; and it ends with the socket, however much of it was read.
 */
export function streamOf(webSocket: WebSocket): Duplex {
  const stream = createWebSocketStream(webSocket)
  stream._destroy = (error, done) => {
    done(error)
    process.nextTick(() => stream.emit('close'))
  }
  webSocket.once('close', () => stream.destroy())
  return stream
}

/**
 * A display that closed may have gone to somebody else before we heard of it.
 * @throws Fault `desktop.moved` or `desktop.disconnected`; not what the database has to say.
 */
async function tellIfTaken(seat: HeldSeat): Promise<void> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, REASON_MS).unref())
  await Promise.race([seat.confirm(), late]).catch((error: unknown) => {
    if (seat.signal.aborted) throw error
  })
}

/** Closes with the code and the sentence of a failure. */
export function closeWith(webSocket: WebSocket, error: unknown, parts: Pick<DoorParts, 'log'>): void {
  if (webSocket.readyState !== webSocket.OPEN) return
  const fault = asFault(error, parts.log)
  webSocket.close(
    CLOSE_BASE + fault.status,
    Buffer.from(fault.message)
      .subarray(0, MAX_REASON)
      .toString('utf8')
      .replace(/\ufffd$/, ''),
  )
}

/** The address bar has parameters of ours beside those of the session. */
function clientOnly(parameters: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...parameters].filter(([name]) => name.startsWith('qvd.client.')))
}
