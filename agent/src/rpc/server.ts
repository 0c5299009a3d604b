import {
  agentApi,
  type AgentHandlers,
  type Input,
  type ProcedureName,
  type SessionEvent,
  watchApi,
} from '@ostler/contract/agent-api.ts'
import { CONNECTION_HEADER, connectionIdIn } from '@ostler/contract/connection-id.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { type Role, roleOf } from '@ostler/contract/identity.ts'
import type { Log } from '@ostler/kit/log.ts'
import { causedBy } from '@ostler/kit/log/cause.ts'
import type { Observable } from '@ostler/kit/observable.ts'
import { X509Certificate } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import * as z from 'zod/mini'
import { closerOf } from './close-server.ts'
import type { EnrolledIdentity } from './enrol.ts'
import { listenAt, type Place } from './place.ts'
import { answerFault, answerJson, refuseUpgrade, readJson } from './http.ts'

/** A procedure that takes over its connection. It answers the 101, or throws a fault before it. */
export interface Upgrade {
  readonly path: string
  /** The token that must stand in the request's `Upgrade` header. */
  readonly protocol: string
  readonly callers: readonly Role[]
  take(request: IncomingMessage, socket: Duplex, head: Buffer): void | Promise<void>
}

export interface AgentServerParts {
  readonly handlers: AgentHandlers
  readonly upgrades: readonly Upgrade[]
  readonly news: Observable<SessionEvent>
  readonly log: Log
}

/** The agent's server. Its certificate can be exchanged while connections live on. */
export interface AgentServer extends AsyncDisposable {
  /**
   * Presents another certificate to every connection from now on.
   * @throws Fault `request.invalid` when it does not fit its key or its authority; the present one stays.
   */
  renew(identity: EnrolledIdentity): void
}

/**
 * Serves the contract over mutual TLS. A caller without a certificate of our authority fails the handshake;
 * one whose role may not call a procedure gets a 403.
 */
export async function serveAgentApi(
  place: Place,
  identity: EnrolledIdentity,
  parts: AgentServerParts,
): Promise<AgentServer> {
  const server = createServer(
    { ...contextOf(identity), requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      void forCaller(request, () =>
        answer(request, response, parts).catch((error: unknown) => {
          if (error instanceof Fault) parts.log.warn('procedure refused', { path: request.url, error })
          else parts.log.error('procedure failed', { path: request.url, error })
          answerFault(response, error)
        }),
      )
    },
  )
  const close = closerOf(server)
  const taken = new Set<Duplex>()
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // The one place where a peer that vanishes in this moment would end the process.
    socket.on('error', () => socket.destroy())
    taken.add(socket)
    socket.once('close', () => taken.delete(socket))
    void forCaller(request, () =>
      takeOver(request, socket, head, parts).catch((error: unknown) => {
        if (!(error instanceof Fault)) parts.log.error('upgrade failed', { path: request.url, error })
        refuseUpgrade(socket, error)
      }),
    )
  })
  server.on('tlsClientError', (error: Error) => parts.log.warn('caller refused', { reason: error.message }))
  await listenAt(server, place)
  return {
    renew: (next) => {
      try {
        // A key of another certificate is refused by TLS itself; an authority that nobody has is not, and nobody could call any more.
        if (!new X509Certificate(next.certificate).verify(new X509Certificate(next.authority).publicKey))
          throw new Error('it was signed by another authority')
        server.setSecureContext(contextOf(next))
      } catch (cause) {
        const problem = 'the certificate does not fit the key or the authority'
        throw new Fault('request.invalid', { problem }, { cause })
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of taken) socket.destroy()
      await close()
    },
  }
}

/** What a call does is done for the client's connection that its caller names: the log says so. */
function forCaller<T>(request: IncomingMessage, work: () => T): T {
  return causedBy(connectionIdIn(request.headers[CONNECTION_HEADER.toLowerCase()]), work)
}

function contextOf(identity: EnrolledIdentity) {
  return {
    key: identity.key,
    cert: identity.certificate,
    ca: identity.authority,
    minVersion: 'TLSv1.3',
  } as const
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  parts: AgentServerParts,
): Promise<void> {
  const role = roleOfCaller(request)
  const path = request.url ?? ''
  if (request.method === 'GET' && path === watchApi.path) {
    admit(role, watchApi.callers, 'watch')
    watch(response, parts.news)
    return
  }
  const upgrade = parts.upgrades.find((candidate) => candidate.path === path)
  if (upgrade !== undefined) throw new Fault('request.upgradeRequired', { protocol: upgrade.protocol })
  const name = procedureOf(request)
  admit(role, agentApi[name].callers, name)
  const input = agentApi[name].input.safeParse(await readJson(request))
  if (!input.success)
    throw new Fault('request.invalid', { problem: z.prettifyError(input.error).slice(0, 500) })
  // Whoever asks for the state asks often.
  const level = name === 'ping' || name === 'x_state' ? 'debug' : 'info'
  parts.log[level]('procedure called', { procedure: name, role })
  answerJson(response, 200, await call(parts.handlers, name, input.data))
}

async function takeOver(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  parts: AgentServerParts,
): Promise<void> {
  const upgrade = parts.upgrades.find((candidate) => candidate.path === request.url)
  if (request.method !== 'GET' || upgrade === undefined)
    throw new Fault('request.notFound', { path: request.url ?? '' })
  admit(roleOfCaller(request), upgrade.callers, upgrade.path)
  if (request.headers.upgrade?.toLowerCase() !== upgrade.protocol.toLowerCase())
    throw new Fault('request.upgradeRequired', { protocol: upgrade.protocol })
  await upgrade.take(request, socket, head)
}

function call(handlers: AgentHandlers, name: ProcedureName, input: unknown): Promise<unknown> {
  const handler = handlers[name] as (input: Input<ProcedureName>) => Promise<unknown>
  return handler(input as Input<ProcedureName>)
}

function procedureOf(request: IncomingMessage): ProcedureName {
  const name = /^\/vma\/(\w+)$/.exec(request.url ?? '')?.[1] ?? ''
  if (request.method !== 'POST' || !Object.hasOwn(agentApi, name))
    throw new Fault('request.notFound', { path: (request.url ?? '').slice(0, 100) })
  return name as ProcedureName
}

function roleOfCaller(request: IncomingMessage): Role | undefined {
  return roleOf((request.socket as TLSSocket).getPeerCertificate().subjectaltname)
}

function admit(role: Role | undefined, callers: readonly Role[], procedure: string): void {
  if (role === undefined || !callers.includes(role))
    throw new Fault('agent.forbidden', { role: role ?? 'a stranger', procedure })
}

/** Streams the session's news: at once, on every change, and as a heartbeat. */
function watch(response: ServerResponse, news: Observable<SessionEvent>): void {
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
  const send = (event: SessionEvent): void => {
    response.write(`${JSON.stringify(event)}\n`)
  }
  // A hook's result is news once; a heartbeat tells only where things stand.
  const standing = (): SessionEvent => ({ state: news.value.state, session: news.value.session })
  const unsubscribe = news.subscribe(send)
  const heartbeat = setInterval(() => send(standing()), watchApi.heartbeatMs)
  response.once('close', () => {
    unsubscribe()
    clearInterval(heartbeat)
  })
  response.on('error', () => response.destroy())
  send(standing())
}
