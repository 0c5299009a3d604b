import { agentApi, upgradeApi } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { isAlive as isSessionAlive } from '@ostler/contract/session.ts'
import { DeadlineExceeded, withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { AgentValues } from '../config/options.ts'
import { readRequest } from '../desktop/request.ts'
import type { XSession } from '../desktop/session.ts'
import { closerOf } from './close-server.ts'
import type { powerCalls } from './power-calls.ts'

export interface SimpleRpcParts {
  readonly session: XSession
  readonly config: () => AgentValues
  readonly power: ReturnType<typeof powerCalls>
  /** Shows the session on a connection, after the user agreed. Throws a fault when it cannot. */
  readonly showToSupport: (connection: Socket) => void
  readonly log: Log
}

type Parameters = Readonly<Record<string, string>>
type Method = (parameters: Parameters) => Promise<unknown>

/** A client that sends more than this in one head is told so. */
const MAX_HEAD = 65_536
const ANSWER_MS = 1_000

/**
 * Serves QVD's agent protocol (compatibility page 3 and 12 B) for the l7r and hkd of a QVD installation: plain HTTP without any
 * authentication, `GET /vma/<method>?k=v`, failures with status 200. Only with `vma.compat.plaintext`, and not for callers inside
 * this desktop.
 */
export async function serveSimpleRpc(port: number, parts: SimpleRpcParts): Promise<AsyncDisposable> {
  const methods = simpleMethods(parts)
  const server = createServer({ maxHeaderSize: MAX_HEAD }, (request, response) => {
    answer(request, response, methods, parts.log).catch((error: unknown) => {
      parts.log.error('procedure failed', { path: pathOf(request), error })
      response.destroy()
    })
  })
  const close = closerOf(server)
  server.on('connection', (socket: Socket) => {
    // Who can call may make accounts with any group: the programs of this desktop may not.
    if (isOwn(socket.remoteAddress ?? '')) socket.destroy()
  })
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => socket.destroy())
    upgrade(request, socket, parts)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const status =
      error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
    socket.end(plain(status, 'this is no request that can be served\r\n'))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, resolve)
  })
  return { [Symbol.asyncDispose]: close }
}

function simpleMethods({ session, config, power, log }: SimpleRpcParts): Readonly<Record<string, Method>> {
  return {
    ping: () => Promise.resolve(null),
    x_state: () => Promise.resolve(session.look()),
    x_start: async (parameters) => {
      const checked = agentApi.x_start.input.safeParse({ display: 'nx', parameters })
      if (!checked.success)
        throw new Fault('request.invalid', { problem: checked.error.issues[0]?.message ?? 'bad parameters' })
      const request = readRequest('nx', parameters, config())
      const state = session.look()
      if (state === 'connected' && session.account?.name === request.user.name) {
        session.dropClient().catch((error: unknown) => log.warn('session could not be suspended', { error }))
        throw new Error("Can't connect to X session in state connected, suspending it, retry later\n")
      }
      // The original answers a repeated call with an error; it comes when a hook takes longer than the l7r waits (T23).
      if (state !== 'stopped' && state !== 'suspended' && !session.isOpening(request))
        throw new Error(`Unable to start/resume X session in state ${state}, try again in a few minutes\n`)
      const { accepted, ready } = session.start(request)
      ready.catch((error: unknown) => log.warn('session did not come up', { error }))
      await accepted
      return 'starting'
    },
    // The answers are those of the original, misleading or not: what calls us waits for the state.
    x_suspend: async () => {
      const state = session.look()
      if (state !== 'connected' && state !== 'listening') return state
      await soon(session.suspend())
      return 'starting'
    },
    x_stop: async () => {
      const state = session.look()
      if (state === 'stopped') return state
      await soon(session.stop())
      return 'stopping'
    },
    poweroff: async () => {
      await power.poweroff({})
      return null
    },
    expire: async (parameters) => {
      const { 'vm.expiration.soft': soft, 'vm.expiration.hard': hard } = parameters
      const checked = agentApi.expire.input.safeParse({
        ...(soft === undefined ? {} : { soft }),
        ...(hard === undefined ? {} : { hard }),
      })
      if (!checked.success) throw new Fault('request.invalid', { problem: 'an expiration is no time' })
      await power.expire(checked.data)
      return null
    },
  }
}

/** Waits for a moment: a hook that refuses is told, and the caller's four seconds are not used up. */
async function soon(work: Promise<unknown>): Promise<void> {
  work.catch(() => {}) // after that moment the log has it
  await withDeadline('the answer', ANSWER_MS, () => work).catch((error: unknown) => {
    if (!(error instanceof DeadlineExceeded) || error.ms !== ANSWER_MS) throw error
  })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  methods: Readonly<Record<string, Method>>,
  log: Log,
): Promise<void> {
  request.resume()
  if (request.httpVersion !== '1.1') {
    response.shouldKeepAlive = false
    return void answerText(response, 505, 'speak HTTP/1.1\r\n')
  }
  const name = methodName(request)
  if (request.method === 'GET' && name === 'vnc_connect')
    return void answerText(response, 426, `upgrade to ${upgradeApi.vnc_connect.protocol}\r\n`)
  const method = name !== undefined && Object.hasOwn(methods, name) ? methods[name] : undefined
  if (request.method !== 'GET' || method === undefined) return void answerText(response, 404, 'not found\r\n')
  let body: string
  try {
    const result = await method(readParameters(request))
    body = `${JSON.stringify(result, undefined, 3)}\n\r\n`
  } catch (error) {
    // The other end wraps the body in brackets: two elements are a failure.
    const text = error instanceof Fault ? `${error.message} [${error.code}]` : (error as Error).message
    if (!(error instanceof Fault) && !text.endsWith('\n')) log.error('procedure failed', { name, error })
    body = `"",${JSON.stringify(text)}\r\n`
  }
  response.writeHead(200, {
    'Content-Type': 'application/json-simplerpc',
    'Content-Length': Buffer.byteLength(body),
  })
  response.end(body)
}

/** `vnc_connect` on its raw connection: 102, 101, then RFB. */
function upgrade(request: IncomingMessage, socket: Socket, parts: SimpleRpcParts): void {
  if (request.httpVersion !== '1.1')
    return void socket.end(plain('505 HTTP Version Not Supported', 'speak HTTP/1.1\r\n'))
  if (request.method !== 'GET' || methodName(request) !== 'vnc_connect')
    return void socket.end(plain('404 Not Found', 'not found\r\n'))
  if (request.headers.upgrade?.toUpperCase() !== upgradeApi.vnc_connect.protocol)
    return void socket.end(plain('426 Upgrade Required', 'upgrade to VNC\r\n'))
  if (!isSessionAlive(parts.session.look()))
    return void socket.end(plain('503 Service Unavailable', `the session is ${parts.session.state}\r\n`))
  const heads =
    'HTTP/1.1 102 Processing\r\nX-QVD-VMA-Info: Starting VNC service\r\n\r\n' +
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: VNC\r\n\r\n'
  socket.write(heads, () => {
    try {
      parts.showToSupport(socket)
    } catch (error) {
      parts.log.warn('support view refused', { error })
      socket.destroy()
    }
  })
}

/** Whether an address is one of this machine's own. */
function isOwn(address: string): boolean {
  const plainAddress = address.replace(/^::ffff:/, '').replace(/%.*$/, '')
  if (plainAddress.startsWith('127.')) return true
  return Object.values(networkInterfaces()).some((each) => each?.some((own) => own.address === plainAddress))
}

/** @throws Fault `request.invalid` for a parameter that is given twice. */
function readParameters(request: IncomingMessage): Parameters {
  const parameters = new URLSearchParams((request.url ?? '').split('?').slice(1).join('?'))
  const names = [...parameters.keys()]
  const repeated = names.find((name, index) => names.indexOf(name) !== index)
  if (repeated !== undefined)
    throw new Fault('request.invalid', { problem: `"${repeated.slice(0, 100)}" is given twice` })
  return Object.fromEntries(parameters)
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?')[0] ?? ''
}

function methodName(request: IncomingMessage): string | undefined {
  return /^\/vma\/(\w+)$/.exec(pathOf(request))?.[1]
}

function answerText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain', 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}

function plain(status: string, text: string): string {
  return (
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\n` +
    `Connection: close\r\n\r\n${text}`
  )
}
