import { parseClientOptions } from '@ostler/contract/client-options.ts'
import { NX_UPGRADE, SLAVE_KEY_HEADER } from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { randomInt, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { listItem } from './list-item.ts'
import { listVms } from '../store/vms.ts'
import { carry } from './carry.ts'
import { type DoorParts, openDesktop } from './open-desktop.ts'
import { interimProgress, replyFault, replyJson, replyOn, replyTo, type Reply, targetOf } from './respond.ts'
import type { SignIn } from './sign-in.ts'
import { stopDesktop } from './stop-desktop.ts'

/** QVD's endpoints (compatibility page 1.3 and 1.4). */
export interface NxEndpoints {
  /** True when a request belongs here. */
  owns(path: string): boolean
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** `/qvd/connect_to_vm` with upgrade headers, on its raw socket. */
  connect(request: IncomingMessage, socket: Duplex, head: Buffer, signal: AbortSignal): Promise<void>
}

export const CONNECT_PATH = '/qvd/connect_to_vm'

export function nxEndpoints(parts: DoorParts, signIn: SignIn, isStopping: () => boolean): NxEndpoints {
  const list = async (request: IncomingMessage, reply: Reply, applications: boolean): Promise<void> => {
    const user = await signIn.byHeader(request)
    const items = (await listVms(parts.db, user.id)).map(listItem)
    replyJson(reply, applications ? [] : items)
  }
  const routes: Readonly<Record<string, (request: IncomingMessage, reply: Reply) => Promise<void>>> = {
    '/qvd/ping': (_, reply) => {
      if (isStopping()) throw new Fault('server.stopping')
      reply.final(200, 'text/plain', 'I am alive!\r\n')
      return Promise.resolve()
    },
    '/qvd/list_of_vm': (request, reply) => list(request, reply, false),
    '/qvd/list_of_applications': (request, reply) => list(request, reply, true),
    '/qvd/stop_vm': async (request, reply) => {
      const user = await signIn.byHeader(request)
      const vmId = requireId(targetOf(request).parameters)
      const abort = new AbortController()
      request.socket.once('close', () => abort.abort(new Error('the client left')))
      using interim = interimProgress(reply)
      await stopDesktop(parts, user, vmId, interim.progress, abort.signal)
      reply.final(200, 'text/plain', 'Machine stopped\r\n')
    },
    [CONNECT_PATH]: async (request) => {
      await signIn.byHeader(request)
      throw new Fault('request.upgradeRequired', { protocol: NX_UPGRADE })
    },
  }
  return {
    owns: (path) => path.startsWith('/qvd/'),
    handle: async (request, response) => {
      const reply = replyTo(response)
      const { path } = targetOf(request)
      const route = request.method === 'GET' ? routes[path] : undefined
      const log = parts.log.child({ connection: randomUUID(), path })
      try {
        if (route === undefined) throw new Fault('request.notFound', { path })
        await route(request, reply)
      } catch (error) {
        if (!response.headersSent && !request.socket.destroyed) replyFault(reply, error, log)
      }
    },
    connect: async (request, socket, head, signal) => {
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
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  stopping: AbortSignal,
  log: Log,
): Promise<void> {
  const receivedAt = performance.now()
  const left = new AbortController()
  socket.once('close', () => left.abort(new Error('the client left')))
  const signal = AbortSignal.any([stopping, left.signal])

  const user = await signIn.byHeader(request)
  if (request.headers.upgrade !== NX_UPGRADE)
    throw new Fault('request.upgradeRequired', { protocol: NX_UPGRADE })
  const { parameters } = targetOf(request)
  const vmId = requireId(parameters)
  requireKnownParameters(parameters)
  parseClientOptions(parameters)
  const key = slaveKey()

  using interim = interimProgress(replyOn(socket))
  const opened = await openDesktop(
    parts,
    { user, vmId, display: 'nx', parameters: forSession(parameters, key), receivedAt, log },
    interim.progress,
    signal,
  )
  await using seat = opened.seat
  interim.progress('Connection established')
  interim[Symbol.dispose]()
  // The line that matters most here: every failure before it is an HTTP status, and after it none can be.
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n' +
      `Upgrade: ${NX_UPGRADE}\r\n${SLAVE_KEY_HEADER}: ${key}\r\n\r\n`,
  )
  const cut = AbortSignal.any([stopping, seat.signal])
  await carry(opened, socket, { head, signal: cut }, log.child({ vm: vmId, user: user.login, display: 'nx' }))
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

const SLAVE_KEY_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** 64 characters A-Z, a-z, 0-9 (C-40). */
function slaveKey(): string {
  return Array.from({ length: 64 }, () => SLAVE_KEY_ALPHABET[randomInt(SLAVE_KEY_ALPHABET.length)]).join('')
}
