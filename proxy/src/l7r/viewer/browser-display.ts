import { parseClientOptions } from '@ostler/contract/client-options.ts'
import { CONNECTION_HEADER } from '@ostler/contract/connection-id.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { onAbort } from '@ostler/kit/on-abort.ts'
import { parse as parseCookies } from 'hono/utils/cookie'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import type { SignedIn, SignInDesk } from '../../auth/sign-in.ts'
import { closeWith, takeBrowser } from './browser-stream.ts'
import { COOKIE_NAME, type CookieJar } from '../portal/cookie.ts'
import { connectionOf, fromIncoming, parseTarget } from '../http/request.ts'
import { carry } from './carry.ts'
import { closing, type DoorParts, openDesktop } from '../open-desktop.ts'
import type { HeldSeat } from '../seat-keeper.ts'
import { requireSameOrigin, guestOf } from '../portal/portal.ts'
import { replyFault, replyOn } from '../respond.ts'
import { Visit } from '../visit.ts'

const DISPLAY_PATH = /^\/portal\/desktops\/(\d{1,9})\/display$/

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
  server.on('headers', (headers, request) => {
    headers.push(`${CONNECTION_HEADER}: ${connectionOf(request.socket).id}`)
  })
  return {
    owns: (path) => DISPLAY_PATH.test(path),
    connect: async (request, socket, head, signal) => {
      const { method, path, connection } = fromIncoming(request)
      const visit = new Visit(parts, { method, path, connection }, '/portal/desktops/:id/display')
      const reply = visit.watch(replyOn(socket))
      try {
        requireSameOrigin(request.headers.origin, request.headers.host)
        const cookie = parseCookies(request.headers.cookie ?? '', COOKIE_NAME)[COOKIE_NAME]
        const guest = await guestOf(parts, desk, jar, cookie)
        visit.user = guest.login
        parts.host.requireOpen()
        const webSocket = await new Promise<WebSocket>((resolve) =>
          server.handleUpgrade(request, socket, head, resolve),
        )
        visit.answered(101, 0)
        await show(parts, { guest, request, webSocket, visit }, signal)
      } catch (error) {
        // What ws does not take it has answered itself.
        if (socket.destroyed || socket.writableEnded) visit.answered(0, 0)
        else replyFault(reply, error, visit.log)
      }
    },
  }
}

interface BrowserVisit {
  readonly guest: SignedIn
  readonly request: IncomingMessage
  readonly webSocket: WebSocket
  readonly visit: Visit
}

/** One browser, from its WebSocket to the end of its stream. A failure closes it with a code and a sentence. */
async function show(
  parts: DoorParts,
  { guest, request, webSocket, visit }: BrowserVisit,
  stopping: AbortSignal,
): Promise<void> {
  const receivedAt = performance.now()
  const { log } = visit
  const { id: connection, address } = fromIncoming(request).connection
  using browser = takeBrowser(webSocket)
  using alive = keepAsking(webSocket, request, parts.keepAliveMs)
  const { path, parameters } = parseTarget(request.url ?? '')
  const vmId = Number(DISPLAY_PATH.exec(path)?.[1])
  try {
    parseClientOptions(parameters)
    const signal = AbortSignal.any([browser.left, stopping, alive.signal])
    const opened = await openDesktop(
      parts,
      {
        guest,
        address,
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
    using _display = closing(opened.display)
    // Said before the stream goes, so that the loser of a take-over is told why.
    const cut = AbortSignal.any([stopping, seat.signal, alive.signal])
    using _telling = onAbort(cut, (reason) => closeWith(webSocket, reason, log, connection))
    await carry(
      opened,
      browser.stream,
      { signal: cut, count: parts.metrics.streamOpens('rfb', opened.display.socket) },
      log.child({ vm: vmId, user: guest.login, display: 'rfb', address }),
    )
    if (webSocket.readyState === webSocket.OPEN) await tellIfTaken(seat)
    webSocket.close(1000)
  } catch (error) {
    closeWith(webSocket, error, log, connection)
  }
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

/**
 * Asks a browser again and again whether it is there: one behind a closed lid says nothing, and its display would
 * wait for it.
 * @param everyMs 0: never. Who has said nothing at all when the next question is due will not answer.
 * @returns a signal that aborts with Fault `browser.silent`.
 */
function keepAsking(
  webSocket: WebSocket,
  { socket }: IncomingMessage,
  everyMs: number,
): Disposable & { readonly signal: AbortSignal } {
  const silent = new AbortController()
  let heard = -1
  const ask = (): void => {
    // Whatever comes is a sign of life: an answer may wait for long behind a large picture.
    const { bytesRead } = socket
    if (bytesRead === heard)
      return silent.abort(new Fault('browser.silent', { seconds: Math.round(everyMs / 1_000) }))
    heard = bytesRead
    if (webSocket.readyState === webSocket.OPEN) webSocket.ping()
  }
  const timer = everyMs > 0 ? setInterval(ask, everyMs) : undefined
  return { signal: silent.signal, [Symbol.dispose]: () => clearInterval(timer) }
}

/** The address bar has parameters of ours beside those of the session. */
function clientOnly(parameters: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...parameters].filter(([name]) => name.startsWith('qvd.client.')))
}
