import { parseClientOptions } from '@ostler/contract/client-options.ts'
import { NX_UPGRADE, SLAVE_KEY_HEADER } from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { TUNNEL_PATH, TUNNEL_TICKET_PATH, TUNNEL_UPGRADE } from '@ostler/contract/tunnel.ts'
import type { Log } from '@ostler/kit/log.ts'
import { randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { SignedIn } from '../auth/sign-in.ts'
import type { DoorRequest } from './http/request.ts'
import { listItem } from './list-item.ts'
import { desktopsOf, type Visitor } from './access.ts'
import { carry } from './carry.ts'
import { type DoorParts, openDesktop } from './open-desktop.ts'
import { interimProgress, replyFault, replyJson, replyOn, type Reply } from './respond.ts'
import { randomLetters } from './random-letters.ts'
import type { SignIn } from './sign-in.ts'
import { issueToken, keepParameters } from './tokens.ts'
import { stopDesktop } from './stop-desktop.ts'
import type { TunnelDoor } from './tunnel/door.ts'
import { issueTunnelTicket } from './tunnel/issue.ts'

/** QVD's endpoints (compatibility page 1.3 and 1.4), and those of tunnels beside them. */
export interface NxEndpoints {
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
async function guestOf({ host }: DoorParts, signIn: SignIn, request: DoorRequest): Promise<SignedIn> {
  host.count('http_requests')
  host.requireRegistered()
  const guest = await signIn.byHeader(request)
  host.requireOpen()
  return guest
}

export function nxEndpoints(
  parts: DoorParts,
  signIn: SignIn,
  tunnel: TunnelDoor,
  isStopping: () => boolean,
): NxEndpoints {
  const known = (request: DoorRequest): Promise<SignedIn> => guestOf(parts, signIn, request)
  const list = async (request: DoorRequest, reply: Reply, applications: boolean): Promise<void> => {
    const vms = await desktopsOf(parts, visitor(request, await known(request)))
    replyJson(reply, vms.filter((vm) => vm.isApplication === applications).map(listItem))
  }
  const routes: Readonly<Record<string, (request: DoorRequest, reply: Reply) => Promise<void>>> = {
    '/qvd/ping': (_, reply) => {
      if (isStopping()) throw new Fault('server.stopping')
      parts.host.requireOpen()
      reply.final(200, 'text/plain', 'I am alive!\r\n')
      return Promise.resolve()
    },
    '/qvd/list_of_vm': (request, reply) => list(request, reply, false),
    '/qvd/list_of_applications': (request, reply) => list(request, reply, true),
    '/qvd/stop_vm': async (request, reply) => {
      const guest = await known(request)
      const vmId = requireId(request.parameters)
      using interim = interimProgress(reply)
      await stopDesktop(parts, visitor(request, guest), vmId, interim.progress, request.connection.closed)
      reply.final(200, 'text/plain', 'Machine stopped\r\n')
    },
    '/qvd/authenticate_user': async (request, reply) => {
      const guest = await known(request)
      const stores = request.parameters.get('store_auth') === '1'
      replyJson(reply, stores ? { auth_params_id: await keepParameters(parts.db, guest) } : {})
    },
    '/qvd/create_auth_token': async (request, reply) => {
      const { token, parametersId } = await issueToken(parts.db, await known(request))
      // The original ends the value with a line feed, which no header can carry (T11).
      const auth_token = Buffer.from(token).toString('base64')
      replyJson(reply, { auth_params_id: parametersId, auth_token })
    },
    [TUNNEL_TICKET_PATH]: async (request, reply) => {
      const guest = await known(request)
      const vmId = requireId(request.parameters)
      const kind = request.parameters.get('kind')
      replyJson(reply, await issueTunnelTicket(parts, visitor(request, guest), vmId, kind))
    },
    [TUNNEL_PATH]: () => Promise.reject(new Fault('request.upgradeRequired', { protocol: TUNNEL_UPGRADE })),
    [CONNECT_PATH]: async (request) => {
      await known(request)
      throw new Fault('request.upgradeRequired', { protocol: NX_UPGRADE })
    },
  }
  return {
    owns: (path) => path.startsWith('/qvd/'),
    handle: async (request, reply) => {
      const { path } = request
      const route = request.method === 'GET' ? routes[path] : undefined
      const log = parts.log.child({ connection: randomUUID(), path })
      try {
        if (route === undefined) throw new Fault('request.notFound', { path })
        await route(request, reply)
      } catch (error) {
        if (!request.connection.closed.aborted) replyFault(reply, error, log)
      }
    },
    connect: async (request, socket, head, signal) => {
      if (request.path === TUNNEL_PATH) return void (await tunnel.connect(request, socket, head, signal))
      const log = parts.log.child({ connection: randomUUID() })
      try {
        await connectNx(parts, signIn, request, socket, head, signal, log)
      } catch (error) {
        if (!socket.destroyed) replyFault(replyOn(socket), error, log)
      }
    },
  }
}

/** One native client, from her request to the end of her stream. */
async function connectNx(
  parts: DoorParts,
  signIn: SignIn,
  request: DoorRequest,
  socket: Duplex,
  head: Buffer,
  stopping: AbortSignal,
  log: Log,
): Promise<void> {
  const receivedAt = performance.now()
  const signal = AbortSignal.any([stopping, request.connection.closed])
  using interim = interimProgress(replyOn(socket))
  // Many who sign in at once wait for each other: the C client must hear something meanwhile (12 D, 6.1).
  interim.later('Signing in')
  const guest = await guestOf(parts, signIn, request)
  if (request.headers.get('upgrade') !== NX_UPGRADE)
    throw new Fault('request.upgradeRequired', { protocol: NX_UPGRADE })
  const { parameters } = request
  const vmId = requireId(parameters)
  requireKnownParameters(parameters)
  parseClientOptions(parameters)
  const key = randomLetters(SLAVE_KEY_LENGTH)

  parts.host.count('nx_attempts')
  const opened = await openDesktop(
    parts,
    {
      ...visitor(request, guest),
      vmId,
      display: 'nx',
      parameters: forSession(parameters, key),
      receivedAt,
      log,
    },
    interim.progress,
    signal,
  )
  await using seat = opened.seat
  interim.progress('Connection established')
  interim[Symbol.dispose]()
  seat.signal.throwIfAborted()
  // The line that matters most here: every failure before it is an HTTP status, and after it none can be.
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n' +
      `Upgrade: ${NX_UPGRADE}\r\n${SLAVE_KEY_HEADER}: ${key}\r\n\r\n`,
  )
  parts.host.count('nx_ok')
  const openedAt = performance.now()
  const cut = AbortSignal.any([stopping, seat.signal])
  await carry(
    opened,
    socket,
    { head, signal: cut },
    log.child({ vm: vmId, user: guest.login, display: 'nx' }),
  )
  if (performance.now() - openedAt < parts.shortSessionMs) parts.host.count('short_sessions')
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

/** What the agent gets of a request's parameters, and the key of the slave channel, which client and guest must share. */
function forSession(parameters: ReadonlyMap<string, string>, key: string): Map<string, string> {
  const said = [...parameters].filter(([name]) => name !== 'id')
  return new Map([...said, ['qvd.slave.key', key]])
}
