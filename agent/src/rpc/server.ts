import {
  agentApi,
  type AgentHandlers,
  type Input,
  type ProcedureName,
  type SessionEvent,
  watchApi,
} from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { type Role, roleOf } from '@ostler/contract/identity.ts'
import type { SessionState } from '@ostler/contract/session.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Observable } from '@ostler/kit/observable.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { z } from 'zod'
import type { EnrolledIdentity } from './enrol.ts'
import { answerFault, answerJson, readJson } from './http.ts'

/**
 * Serves the contract over mutual TLS. A caller without a certificate of our authority fails the handshake;
 * one whose role may not call a procedure gets a 403.
 */
export async function serveAgentApi(
  port: number,
  identity: EnrolledIdentity,
  handlers: AgentHandlers,
  state: Observable<SessionState>,
  log: Log,
): Promise<AsyncDisposable> {
  const server = createServer(
    {
      key: identity.key,
      cert: identity.certificate,
      ca: identity.authority,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    },
    (request, response) => {
      answer(request, response, handlers, state, log).catch((error: unknown) => {
        if (!(error instanceof Fault)) log.error('procedure failed', { path: request.url, error })
        answerFault(response, error)
      })
    },
  )
  server.on('tlsClientError', (error: Error) => log.warn('caller refused', { reason: error.message }))
  await listen(server, port)
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handlers: AgentHandlers,
  state: Observable<SessionState>,
  log: Log,
): Promise<void> {
  const role = roleOf((request.socket as TLSSocket).getPeerCertificate().subjectaltname)
  if (request.method === 'GET' && request.url === watchApi.path) {
    admit(role, watchApi.callers, 'watch')
    watch(response, state)
    return
  }
  const name = procedureOf(request)
  admit(role, agentApi[name].callers, name)
  const input = agentApi[name].input.safeParse(await readJson(request))
  if (!input.success) throw new Fault('request.invalid', { problem: z.prettifyError(input.error) })
  log.debug('procedure called', { procedure: name, role })
  answerJson(response, 200, await call(handlers, name, input.data))
}

function call(handlers: AgentHandlers, name: ProcedureName, input: unknown): Promise<unknown> {
  const handler = handlers[name] as (input: Input<ProcedureName>) => Promise<unknown>
  return handler(input as Input<ProcedureName>)
}

function procedureOf(request: IncomingMessage): ProcedureName {
  const name = /^\/vma\/(\w+)$/.exec(request.url ?? '')?.[1] ?? ''
  if (request.method !== 'POST' || !Object.hasOwn(agentApi, name))
    throw new Fault('request.notFound', { path: request.url ?? '' })
  return name as ProcedureName
}

function admit(role: Role | undefined, callers: readonly Role[], procedure: string): void {
  if (role === undefined || !callers.includes(role))
    throw new Fault('agent.forbidden', { role: role ?? 'a stranger', procedure })
}

/** Streams the state: at once, on every change, and as a heartbeat. */
function watch(response: ServerResponse, state: Observable<SessionState>): void {
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
  const send = (): void => {
    const event: SessionEvent = { state: state.value }
    response.write(`${JSON.stringify(event)}\n`)
  }
  const unsubscribe = state.subscribe(send)
  const heartbeat = setInterval(send, watchApi.heartbeatMs)
  response.once('close', () => {
    unsubscribe()
    clearInterval(heartbeat)
  })
  response.on('error', () => response.destroy())
  send()
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, resolve)
  })
}
