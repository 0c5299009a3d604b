import {
  type AgentClient,
  agentClient,
  enrolApi,
  type ProcedureName,
  type SessionEvent,
  watchApi,
} from '@ostler/contract/agent-api.ts'
import { CONNECTION_HEADER } from '@ostler/contract/connection-id.ts'
import { Fault, faultFromBody } from '@ostler/contract/fault.ts'
import { holderUri, pskIdentity } from '@ostler/contract/identity.ts'
import { cause } from '@ostler/kit/log/cause.ts'
import type { IncomingMessage } from 'node:http'
import { request, type RequestOptions } from 'node:https'
import type { Socket } from 'node:net'
import { type ConnectionOptions, createSecureContext, type SecureContext } from 'node:tls'
import type { AgentAt } from '../model/agent-at.ts'
import { AgentAbsence, AgentSilence } from './agent-failure.ts'
import { type AgentLine, AgentLines } from './agent-lines.ts'
import { AgentDialler } from './dial.ts'

/** One boot of one desktop, and where its agent listens. */
export type AgentAddress = { readonly desktop: number; readonly epoch: number } & AgentAt

/** What hkd and doors present to agents, and doors to each other. */
export interface CallerIdentity {
  readonly key: string
  readonly certificate: string
  readonly authority: string
}

/** An agent that can be called and watched. */
export interface AgentLink extends Disposable {
  readonly client: AgentClient
  /**
   * The agent's session state, now and with every change, until the stream breaks.
   * @throws Fault `agent.unreachable` when it breaks, is silent for two heartbeats and a half, or does not begin.
   */
  watch(signal: AbortSignal, beginMs?: number): AsyncGenerator<SessionEvent, void, void>
  /**
   * Asks for a procedure that takes over its connection.
   *
   * @param headers beside those of the upgrade itself.
   * @param signal gives up before the answer; afterwards it has no effect.
   * @returns the raw stream behind the 101, paused, half-open as TCP is, with a listener for errors that destroys it.
   *   It outlives the link.
   * @throws Fault `agent.unreachable`, or what the agent answers instead.
   */
  upgrade(
    wanted: AgentUpgrade,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Socket>
}

/** A procedure of the agent that takes over its connection. */
export interface AgentUpgrade {
  readonly path: string
  readonly protocol: string
}

/**
 * Opens a link over mutual TLS. The agent must show the certificate of exactly this boot: one of an earlier boot,
 * or of another desktop at the same address, is refused. Connections are made when needed.
 *
 * @param lines keeps the connection for later calls; without them it ends with the link.
 */
export function openAgentLink(
  address: AgentAddress,
  identity: CallerIdentity,
  lines?: AgentLines,
): AgentLink {
  const { desktop, epoch } = address
  const expected = `URI:${holderUri({ role: 'vma', desktop, epoch })}`
  const caller = callerOf(identity)
  const tls: ConnectionOptions = {
    secureContext: caller.context,
    servername: '',
    checkServerIdentity: (_, certificate) =>
      certificate.subjectaltname === expected ? undefined : new Error('this is the agent of another boot'),
  }
  const own = lines === undefined ? new AgentLines() : undefined
  const at = 'socketPath' in address ? address.socketPath : `${address.host}:${address.port}`
  const name = `${desktop}/${epoch}@${at} by ${caller.number}`
  const line: AgentLine = { name, at: address, tls }
  const options = { agent: lines ?? own, line }
  return {
    client: agentClient(async (procedure, body, signal) => {
      const call = { ...options, method: 'POST', path: `/vma/${procedure}` }
      const again = REPEATABLE.has(procedure)
      return await readAnswer(address, await exchange(address, call, { body, signal, again }))
    }),
    watch: (signal, beginMs = BEGIN_MS) => watch(address, tls, signal, beginMs),
    upgrade: (wanted, headers, signal) => upgrade(address, tls, wanted, headers, signal),
    [Symbol.dispose]: () => own?.[Symbol.dispose](),
  }
}

/** What does no harm when it is asked twice: the agent may have closed a kept connection just as we wrote to it. */
const REPEATABLE: ReadonlySet<ProcedureName> = new Set(['ping', 'x_state', 'x_start'])

/** What an identity is to OpenSSL: made once, since reading the PEM costs more than the handshake that uses it. */
interface Caller {
  readonly context: SecureContext
  /** Tells one identity from the next. */
  readonly number: number
}

const callers = new WeakMap<CallerIdentity, Caller>()
let callersSoFar = 0

/** What an identity is to OpenSSL. */
export function secureContextOf(identity: CallerIdentity): SecureContext {
  return callerOf(identity).context
}

function callerOf(identity: CallerIdentity): Caller {
  const known = callers.get(identity)
  if (known !== undefined) return known
  const { key, certificate: cert, authority: ca } = identity
  const context = createSecureContext({ key, cert, ca, minVersion: 'TLSv1.3' })
  const made = { context, number: ++callersSoFar }
  callers.set(identity, made)
  return made
}

const MAX_ANSWER = 65_536
const MAX_LINE = 4_096
/** An agent that hangs is to be known within 15 s, and a heartbeat may be late. */
const SILENCE_MS = 2.5 * watchApi.heartbeatMs
/** Until a stream begins. */
const BEGIN_MS = 60_000

async function* watch(
  address: AgentAddress,
  tls: ConnectionOptions,
  signal: AbortSignal,
  beginMs: number,
): AsyncGenerator<SessionEvent, void, void> {
  const call = { agent: new AgentDialler(address, tls), method: 'GET', path: watchApi.path } as const
  const begin = new AbortController()
  const late = setTimeout(() => begin.abort(), beginMs)
  const answer = exchange(address, call, { signal: AbortSignal.any([signal, begin.signal]) })
  const response = await answer.finally(() => clearTimeout(late))
  if (response.statusCode !== 200) await readAnswer(address, response)
  response.setTimeout(SILENCE_MS, () => response.destroy(new AgentSilence('no heartbeat')))
  let rest = ''
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const lines = (rest + chunk.toString('utf8')).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > MAX_LINE) throw new Error('a line without end')
      for (const line of lines) yield watchApi.event.parse(JSON.parse(line))
    }
  } catch (error) {
    throw unreachable(address, error)
  } finally {
    response.destroy()
  }
  throw unreachable(address, new Error('the stream ended'))
}

function upgrade(
  address: AgentAddress,
  tls: ConnectionOptions,
  { path, protocol }: AgentUpgrade,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    // Half-open, which `ConnectionOptions` does not name.
    const half = { ...tls, allowHalfOpen: true }
    const outgoing = request({
      agent: new AgentDialler(address, half),
      method: 'GET',
      path,
      headers: { ...headers, Connection: 'Upgrade', Upgrade: protocol },
    })
    const giveUp = (): void => void outgoing.destroy(new Error('no answer in time'))
    const refuse = (error: unknown): void => {
      signal.removeEventListener('abort', giveUp)
      outgoing.destroy()
      reject(error instanceof Fault ? error : unreachable(address, error))
    }
    outgoing.on('socket', (socket) => socket.setNoDelay(true))
    outgoing.on('error', refuse)
    outgoing.once('close', () => refuse(new Error('no answer')))
    outgoing.once('response', (response) => {
      readAnswer(address, response).then(() => refuse(new Error('it did not switch protocols')), refuse)
    })
    outgoing.once('upgrade', (response, socket, head) => {
      socket.on('error', () => socket.destroy())
      const spoken = response.headers.upgrade ?? ''
      if (spoken.toLowerCase() !== protocol.toLowerCase()) {
        socket.destroy()
        return void refuse(new Error('it switched to another protocol'))
      }
      signal.removeEventListener('abort', giveUp)
      socket.pause()
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    signal.addEventListener('abort', giveUp, { once: true })
    if (signal.aborted) giveUp()
    outgoing.end()
  })
}

/** Speaks the enrolment: takes the agent's public key, has it signed, and brings the certificate. */
export async function enrolAgent(
  address: AgentAddress,
  secret: Buffer,
  sign: (publicKey: Buffer) => Promise<{ certificate: string; authority: string }>,
  signal: AbortSignal,
): Promise<void> {
  // One connection for both steps.
  const tls: ConnectionOptions = {
    minVersion: 'TLSv1.3',
    pskCallback: () => ({ psk: secret, identity: pskIdentity(address.desktop, address.epoch) }),
    // The secret is the proof. A certificate, whoever vouches for it, is none.
    ca: [],
    checkServerIdentity: () => new Error('this is not an agent in enrolment'),
  }
  const agent = new AgentDialler(address, tls, { keepAlive: true, maxSockets: 1 })
  const options: RequestOptions = { agent }
  try {
    const ask = { ...options, method: 'GET', path: enrolApi.keyPath }
    const response = await exchange(address, ask, { signal })
    const { publicKey } = enrolApi.key.parse(await readAnswer(address, response))
    const signed = await sign(Buffer.from(publicKey, 'base64'))
    const answer = { ...options, method: 'POST', path: enrolApi.certificatePath }
    await readAnswer(address, await exchange(address, answer, { body: signed, signal }))
  } finally {
    agent.destroy()
  }
}

interface Exchange {
  readonly body?: unknown
  readonly signal: AbortSignal
  /** It may be asked once more, over a new connection, when a kept one turns out to be closed. */
  readonly again?: boolean
}

function exchange(
  address: AgentAddress,
  options: RequestOptions,
  { body, signal, again = false }: Exchange,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const connection = cause()
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
      ...(connection === undefined ? {} : { [CONNECTION_HEADER]: connection }),
    }
    const outgoing = request({ ...options, headers }, (response) => {
      // What aborts later ends the answer too.
      response.once('close', () => signal.removeEventListener('abort', giveUp))
      resolve(response)
    })
    let isTaken = false
    const giveUp = (): void => {
      const late = isTaken ? new AgentSilence('no answer in time') : new AgentAbsence('no connection in time')
      outgoing.destroy(late)
    }
    const failed = (error: Error): void => {
      signal.removeEventListener('abort', giveUp)
      if (again && outgoing.reusedSocket && !signal.aborted)
        resolve(exchange(address, options, { body, signal }))
      else reject(unreachable(address, error))
    }
    outgoing.once('socket', (socket) => {
      socket.setNoDelay(true)
      if (socket.connecting) socket.once('connect', () => (isTaken = true))
      else isTaken = true
    })
    outgoing.once('error', failed)
    // An answer that is neither a response nor an error, such as a 101, only closes; a deadline may not be heard.
    outgoing.once('close', () => reject(unreachable(address, new Error('no answer'))))
    if (signal.aborted) return giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    outgoing.end(text)
  })
}

async function readAnswer(address: AgentAddress, response: IncomingMessage): Promise<unknown> {
  let body: unknown
  try {
    body = JSON.parse(await readBounded(response))
  } catch (error) {
    throw unreachable(address, error)
  }
  if (response.statusCode === 200) return body
  throw faultFromBody(body) ?? unreachable(address, new Error(`it answered ${response.statusCode ?? 0}`))
}

/** A guest is not trusted to stop talking. */
async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_ANSWER) throw new Error('an answer without end')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function unreachable(address: AgentAddress, cause: unknown): Fault {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new Fault('agent.unreachable', { desktop: address.desktop, reason }, { cause })
}
