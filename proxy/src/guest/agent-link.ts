import {
  type AgentClient,
  agentClient,
  enrolApi,
  type SessionEvent,
  watchApi,
} from '@ostler/contract/agent-api.ts'
import { Fault, faultFromBody } from '@ostler/contract/fault.ts'
import { holderUri, pskIdentity } from '@ostler/contract/identity.ts'
import { openSocketName } from '@ostler/kit/socket-name.ts'
import type { IncomingMessage } from 'node:http'
import { Agent, request, type RequestOptions } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, createSecureContext, type SecureContext } from 'node:tls'
import type { AgentAt } from '../model/agent-at.ts'

/** One boot of one desktop, and where its agent listens. */
export type AgentAddress = { readonly desktop: number; readonly epoch: number } & AgentAt

/** What a caller of agents presents. */
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
   * @throws Fault `agent.unreachable` when it breaks or is silent for three heartbeats.
   */
  watch(signal: AbortSignal): AsyncGenerator<SessionEvent, void, void>
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
 */
export function openAgentLink(address: AgentAddress, identity: CallerIdentity): AgentLink {
  const expected = `URI:${holderUri({ role: 'vma', desktop: address.desktop, epoch: address.epoch })}`
  const tls: ConnectionOptions = {
    secureContext: contextOf(identity),
    servername: '',
    checkServerIdentity: (_, certificate) =>
      certificate.subjectaltname === expected ? undefined : new Error('this is the agent of another boot'),
  }
  const agent = new Dialler({ keepAlive: true, maxFreeSockets: 1, ...tls })
  const options: RequestOptions = { agent, ...placeOf(address), ...tls }
  return {
    client: agentClient(async (procedure, body, signal) => {
      const response = await exchange(
        address,
        { ...options, method: 'POST', path: `/vma/${procedure}`, signal },
        body,
      )
      return await readAnswer(address, response)
    }),
    watch: (signal) => watch(address, options, signal),
    upgrade: (wanted, headers, signal) => upgrade(address, options, wanted, headers, signal),
    [Symbol.dispose]: () => agent.destroy(),
  }
}

function placeOf(at: AgentAt): { socketPath: string } | { host: string; port: number } {
  return 'socketPath' in at ? { socketPath: at.socketPath } : { host: at.host, port: at.port }
}

/**
 * Dials what it is told. A unix socket lies where the guest could put a link to another program's: the name is opened
 * without following links, and that very socket is connected to.
 */
class Dialler extends Agent {
  override createConnection(
    options: RequestOptions & { path?: string },
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    if (options.socketPath == null) return super.createConnection(options, callback)
    try {
      const handle = openSocketName(options.socketPath)
      const socket = super.createConnection({ ...options, path: handle.path }, callback)
      // Once it is connected, or was refused, the name is not needed any more.
      socket?.once('connect', () => socket.emit('named'))
      socket?.once('close', () => socket.emit('named'))
      socket?.once('named', () => handle[Symbol.dispose]())
      return socket
    } catch (error) {
      callback?.(error as Error, undefined as unknown as Duplex)
      return undefined
    }
  }
}

const contexts = new WeakMap<CallerIdentity, SecureContext>()

/** What an identity is to OpenSSL: made once, since reading the PEM costs more than the handshake that uses it. */
function contextOf(identity: CallerIdentity): SecureContext {
  const known = contexts.get(identity)
  if (known !== undefined) return known
  const { key, certificate: cert, authority: ca } = identity
  const made = createSecureContext({ key, cert, ca, minVersion: 'TLSv1.3' })
  contexts.set(identity, made)
  return made
}

const MAX_ANSWER = 65_536
const MAX_LINE = 4_096
const SILENCE_MS = 3 * watchApi.heartbeatMs

async function* watch(
  address: AgentAddress,
  options: RequestOptions,
  signal: AbortSignal,
): AsyncGenerator<SessionEvent, void, void> {
  const response = await exchange(address, {
    ...options,
    agent: new Dialler(),
    method: 'GET',
    path: watchApi.path,
    signal,
  })
  if (response.statusCode !== 200) await readAnswer(address, response)
  response.setTimeout(SILENCE_MS, () => response.destroy(new Error('no heartbeat')))
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
  options: RequestOptions,
  { path, protocol }: AgentUpgrade,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const half = { allowHalfOpen: true }
    const outgoing = request({
      ...options,
      ...half,
      agent: false,
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
  const agent = new Dialler({
    keepAlive: true,
    maxSockets: 1,
    minVersion: 'TLSv1.3',
    pskCallback: () => ({ psk: secret, identity: pskIdentity(address.desktop, address.epoch) }),
    // The secret is the proof. A certificate, whoever vouches for it, is none.
    ca: [],
    checkServerIdentity: () => new Error('this is not an agent in enrolment'),
  })
  const options: RequestOptions = { agent, ...placeOf(address), signal }
  try {
    const response = await exchange(address, { ...options, method: 'GET', path: enrolApi.keyPath })
    const { publicKey } = enrolApi.key.parse(await readAnswer(address, response))
    const signed = await sign(Buffer.from(publicKey, 'base64'))
    const answer = { ...options, method: 'POST', path: enrolApi.certificatePath }
    await readAnswer(address, await exchange(address, answer, signed))
  } finally {
    agent.destroy()
  }
}

function exchange(address: AgentAddress, options: RequestOptions, body?: unknown): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }
    const outgoing = request({ ...options, headers }, resolve)
    outgoing.on('socket', (socket) => socket.setNoDelay(true))
    outgoing.once('error', (error) => reject(unreachable(address, error)))
    // An answer that is neither a response nor an error, such as a 101, only closes; a deadline may not be heard.
    outgoing.once('close', () => reject(unreachable(address, new Error('no answer'))))
    options.signal?.addEventListener('abort', () => outgoing.destroy(new Error('no answer in time')), {
      once: true,
    })
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
