import { parseClientOptions } from '@ostler/contract/client-options.ts'
import { CONNECTION_HEADER } from '@ostler/contract/connection-id.ts'
import {
  NX_UPGRADE,
  SEAT_HEADER,
  SEAT_PATH,
  SLAVE_KEY_HEADER,
  TICKET_HEADER,
  UPGRADE_TOKENS,
} from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { DisplayKind } from '@ostler/contract/identity.ts'
import { TUNNEL_PATH, TUNNEL_TICKET_PATH, TUNNEL_UPGRADE } from '@ostler/contract/tunnel.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Duplex } from 'node:stream'
import type { SignedIn } from '../auth/sign-in.ts'
import type { DoorRequest } from './http/request.ts'
import { listItem } from './list-item.ts'
import { desktopsOf, type Visitor } from './access.ts'
import { carry } from './viewer/carry.ts'
import { issueChannelTicket } from './viewer/display-tickets.ts'
import { type DoorParts, type OpenDesktop, openDesktop } from './open-desktop.ts'
import { interimProgress, replyFault, replyJson, replyOn, type Reply } from './respond.ts'
import { seatFate } from './seat-fate.ts'
import { randomLetters } from './random-letters.ts'
import type { SignIn } from './sign-in.ts'
import { issueToken, keepParameters } from './tokens.ts'
import { stopDesktop } from './start/stop-desktop.ts'
import type { TunnelDoor } from './tunnel/door.ts'
import { issueTunnelTicket } from './tunnel/issue.ts'
import { Visit } from './visit.ts'

/** QVD's endpoints (compatibility page 1.3 and 1.4), and those of tunnels beside them. */
export interface QvdEndpoints {
  /** True when a request belongs here. */
  owns(path: string): boolean
  /** Answers an ordinary request. Never rejects. */
  handle(request: DoorRequest, reply: Reply): Promise<void>
  /** A path of `isStreamPath` with upgrade headers, on its raw socket. */
  connect(request: DoorRequest, socket: Duplex, head: Buffer, signal: AbortSignal): Promise<void>
}

const CONNECT_PATH = '/qvd/connect_to_vm'

/** True where an upgrade makes a stream of the connection. */
export function isStreamPath(path: string): boolean {
  return path === CONNECT_PATH || path === TUNNEL_PATH
}

/** C-40 */
const SLAVE_KEY_LENGTH = 64

/** Who asks; a node that takes nobody now says so only to those whom it knows (compatibility page 1.3). */
async function guestOf(
  { host }: DoorParts,
  signIn: SignIn,
  request: DoorRequest,
  visit: Visit,
): Promise<SignedIn> {
  host.count('http_requests')
  host.requireRegistered()
  const guest = await signIn.byHeader(request)
  visit.user = guest.login
  host.requireOpen()
  return guest
}

export function qvdEndpoints(
  parts: DoorParts,
  signIn: SignIn,
  tunnel: TunnelDoor,
  isStopping: () => boolean,
): QvdEndpoints {
  const known = (request: DoorRequest, visit: Visit): Promise<SignedIn> =>
    guestOf(parts, signIn, request, visit)
  const listOf =
    (applications: boolean): Route =>
    async (request, reply, visit) => {
      const vms = await desktopsOf(parts, visitor(request, await known(request, visit)))
      replyJson(reply, vms.filter((vm) => vm.isApplication === applications).map(listItem))
    }
  const routes: Readonly<Record<string, Route>> = {
    '/qvd/ping': (_, reply) => {
      if (isStopping()) throw new Fault('server.stopping')
      parts.host.requireOpen()
      reply.final(200, 'text/plain', 'I am alive!\r\n')
      return Promise.resolve()
    },
    '/qvd/list_of_vm': listOf(false),
    '/qvd/list_of_applications': listOf(true),
    '/qvd/stop_vm': async (request, reply, visit) => {
      const guest = await known(request, visit)
      const vmId = requireId(request.parameters)
      using interim = interimProgress(reply)
      await stopDesktop(parts, visitor(request, guest), vmId, interim.progress, request.connection.closed)
      reply.final(200, 'text/plain', 'Machine stopped\r\n')
    },
    '/qvd/authenticate_user': async (request, reply, visit) => {
      const guest = await known(request, visit)
      const stores = request.parameters.get('store_auth') === '1'
      replyJson(reply, stores ? { auth_params_id: await keepParameters(parts.db, guest) } : {})
    },
    '/qvd/create_auth_token': async (request, reply, visit) => {
      const { token, parametersId } = await issueToken(parts.db, await known(request, visit))
      // The original ends the value with a line feed, which no header can carry (T11).
      const auth_token = Buffer.from(token).toString('base64')
      replyJson(reply, { auth_params_id: parametersId, auth_token })
    },
    [SEAT_PATH]: async (request, reply, visit) => {
      const guest = await known(request, visit)
      const asked = request.parameters.get('seat')
      replyJson(reply, await seatFate(parts, visitor(request, guest), asked))
    },
    [TUNNEL_TICKET_PATH]: async (request, reply, visit) => {
      const guest = await known(request, visit)
      const vmId = requireId(request.parameters)
      const kind = request.parameters.get('kind')
      replyJson(reply, await issueTunnelTicket(parts, visitor(request, guest), vmId, kind))
    },
    [TUNNEL_PATH]: () => Promise.reject(new Fault('request.upgradeRequired', { protocol: TUNNEL_UPGRADE })),
    [CONNECT_PATH]: async (request, _, visit) => {
      await known(request, visit)
      throw new Fault('request.upgradeRequired', { protocol: NX_UPGRADE })
    },
  }
  return {
    owns: (path) => path.startsWith('/qvd/'),
    handle: async (request, plainReply) => {
      const { path } = request
      const route = request.method === 'GET' && Object.hasOwn(routes, path) ? routes[path] : undefined
      const visit = new Visit(parts, request, route === undefined ? OTHER : path)
      const reply = visit.watch(plainReply)
      try {
        if (route === undefined) throw new Fault('request.notFound', { path })
        await route(request, reply, visit)
      } catch (error) {
        if (request.connection.closed.aborted) visit.answered(0, 0)
        else replyFault(reply, error, visit.log)
      }
    },
    connect: async (request, socket, head, signal) => {
      if (request.path === TUNNEL_PATH) return void (await tunnel.connect(request, socket, head, signal))
      const visit = new Visit(parts, request, CONNECT_PATH)
      const reply = visit.watch(replyOn(socket))
      try {
        const stream = await openStream(parts, signIn, { request, visit, reply, socket }, signal)
        // Not waited for: while it lives nothing of the request should.
        void carryStream(parts, stream, socket, head)
      } catch (error) {
        if (socket.destroyed) visit.answered(0, 0)
        else replyFault(reply, error, visit.log)
      }
    },
  }
}

type Route = (request: DoorRequest, reply: Reply, visit: Visit) => Promise<void>

/** What requests for nothing that is here are counted as. */
const OTHER = '/qvd/other'

interface DisplayVisit {
  readonly request: DoorRequest
  readonly visit: Visit
  readonly reply: Reply
  readonly socket: Duplex
}

/** A stream that has been promised to a client. */
interface DisplayStream {
  readonly opened: OpenDesktop
  readonly display: DisplayKind
  readonly cut: AbortSignal
  readonly log: Log
}

/** One client of NX, VNC, SPICE or RDP, from her request to the answer 101. Throws what is to be answered instead. */
async function openStream(
  parts: DoorParts,
  signIn: SignIn,
  { request, visit, reply, socket }: DisplayVisit,
  stopping: AbortSignal,
): Promise<DisplayStream> {
  const { log } = visit
  const receivedAt = performance.now()
  const signal = AbortSignal.any([stopping, request.connection.closed])
  using interim = interimProgress(reply)
  // Many who sign in at once wait for each other: the C client must hear something meanwhile (12 D, 6.1).
  interim.later('Signing in')
  const guest = await guestOf(parts, signIn, request, visit)
  const token = request.headers.get('upgrade') ?? ''
  const display = UPGRADE_TOKENS.get(token)
  if (display === undefined) throw new Fault('request.upgradeRequired', { protocol: NX_UPGRADE })
  const { parameters } = request
  const vmId = requireId(parameters)
  requireKnownParameters(parameters)
  parseClientOptions(parameters)
  const key = randomLetters(SLAVE_KEY_LENGTH)

  if (display === 'nx') parts.host.count('nx_attempts')
  const opened = await openDesktop(
    parts,
    {
      ...visitor(request, guest),
      vmId,
      display,
      parameters: forSession(parameters),
      slaveKey: key,
      receivedAt,
      log,
    },
    interim.progress,
    signal,
  )
  const { seat } = opened
  try {
    const extra =
      display === 'nx'
        ? `${SLAVE_KEY_HEADER}: ${key}\r\n`
        : display === 'spice'
          ? `${TICKET_HEADER}: ${await issueChannelTicket(parts.db, opened, guest.login)}\r\n`
          : ''
    interim.progress('Connection established')
    interim[Symbol.dispose]()
    seat.signal.throwIfAborted()
    // The line that matters most here: every failure before it is an HTTP status, and after it none can be.
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${token}\r\n${extra}` +
        `${SEAT_HEADER}: ${opened.vm.id}.${seat.epoch}\r\n` +
        `${CONNECTION_HEADER}: ${request.connection.id}\r\n\r\n`,
    )
  } catch (error) {
    opened.display.socket.destroy()
    await seat[Symbol.asyncDispose]()
    throw error
  }
  visit.answered(101, 0)
  if (display === 'nx') parts.host.count('nx_ok')
  signIn.forget(request.connection)
  const cut = AbortSignal.any([stopping, seat.signal])
  return {
    opened,
    display,
    cut,
    log: log.child({ vm: vmId, user: guest.login, display, address: request.connection.address }),
  }
}

/** Carries a stream to its end, and gives the seat back. Never rejects. */
async function carryStream(
  parts: DoorParts,
  { opened, display, cut, log }: DisplayStream,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { seat } = opened
  const openedAt = performance.now()
  try {
    const count = parts.metrics.streamOpens(display, opened.display.socket)
    const first = firstToEnd(socket, opened.display.socket)
    const by = await carry(opened, socket, { head, signal: cut, count }, log)
    // A line that is cut ends the display, too: what ended first counts.
    if (by === 'idle' || by === 'age' || (by === 'display' && first() !== 'client'))
      seat.endedBy(`door:${by}`)
    if (display === 'nx' && performance.now() - openedAt < parts.shortSessionMs)
      parts.host.count('short_sessions')
  } catch (error) {
    log.error('stream failed', { error })
    socket.destroy()
  } finally {
    await seat[Symbol.asyncDispose]()
  }
}

function firstToEnd(client: Duplex, display: Duplex): () => 'client' | 'display' | undefined {
  let first: 'client' | 'display' | undefined
  client.once('end', () => (first ??= 'client'))
  display.once('end', () => (first ??= 'display'))
  return () => first
}

function visitor(request: DoorRequest, guest: SignedIn): Visitor {
  return { guest, address: request.connection.address }
}

/** @throws Fault `request.missingId`, or `desktop.unknown` for what cannot be a desktop's number. */
function requireId(parameters: ReadonlyMap<string, string>): number {
  const text = parameters.get('id')
  if (text === undefined || text === '') throw new Fault('request.missingId')
  if (!/^\d{1,9}$/.test(text)) throw new Fault('desktop.unknown')
  return Number(text)
}

function requireKnownParameters(parameters: ReadonlyMap<string, string>): void {
  const strange = [...parameters.keys()].filter(
    (name) => name !== 'id' && !/^(qvd\.client|custom)\./.test(name),
  )
  if (strange.length > 0) throw new Fault('request.parameters', { names: strange.join(', ') })
}

/** What the agent gets of a request's parameters. */
function forSession(parameters: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...parameters].filter(([name]) => name !== 'id'))
}
