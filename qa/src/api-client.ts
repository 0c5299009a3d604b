import { Fault, faultFromBody } from '@ostler/contract/fault.ts'
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'

/** Speaks to the api. */
export interface ApiClient {
  get(path: string): Promise<unknown>
  post(path: string, body: unknown): Promise<unknown>
  /** @param body a `Buffer` is sent as it is. */
  patch(path: string, body: unknown): Promise<unknown>
  delete(path: string): Promise<unknown>
  /**
   * Follows an answer as it changes, until it ends or `onEvent` says that it is enough.
   * @throws Fault with which it ends.
   */
  watch(path: string, onEvent: (event: string, data: unknown) => boolean): Promise<void>
}

/** An api on another machine. */
export interface RemoteApi {
  readonly url: string
  readonly token: string
  /** SHA-256 of its certificate, in hexadecimal with colons; none: an authority that this machine knows has signed it. */
  readonly fingerprint?: string | undefined
}

const ANSWER_MS = 30_000
/** Ten thousand desktops are changed in one request. */
const BULK_MS = 300_000

/** @param at path of the api's unix socket, where who may open it is the administrator; or an api elsewhere. */
export function apiClient(at: string | RemoteApi): ApiClient {
  const place = typeof at === 'string' ? at : at.url
  const unreachable = (reason: string, cause?: unknown): Fault =>
    new Fault('client.unreachable', { host: place, port: 'api', reason }, { cause })
  const open = (
    method: string,
    path: string,
    headers: Record<string, string | number>,
    onAnswer: (response: IncomingMessage) => void,
  ): ClientRequest =>
    typeof at === 'string'
      ? httpRequest({ socketPath: at, method, path, headers }, onAnswer)
      : openRemote(at, { method, path, headers }, onAnswer)

  const call = (method: string, path: string, body?: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const isBytes = body instanceof Buffer
      const bytes = isBytes ? body : Buffer.from(body === undefined ? '' : JSON.stringify(body))
      const type = isBytes ? 'application/octet-stream' : 'application/json'
      const headers = { 'Content-Type': type, 'Content-Length': bytes.length }
      const outgoing = open(method, path, headers, (response) => {
        readAnswer(response, unreachable).then(resolve, reject)
      })
      const limit = /\/(bulk|import)\//.test(path) ? BULK_MS : ANSWER_MS
      outgoing.setTimeout(limit, () => outgoing.destroy(new Error('no answer')))
      outgoing.once('error', (error) =>
        reject(error instanceof Fault ? error : unreachable(error.message, error)),
      )
      outgoing.end(bytes)
    })
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, body),
    patch: (path, body) => call('PATCH', path, body),
    delete: (path) => call('DELETE', path),
    watch: (path, onEvent) =>
      new Promise((resolve, reject) => {
        const outgoing = open('GET', path, { Accept: 'text/event-stream' }, (response) => {
          if (!(response.headers['content-type'] ?? '').includes('text/event-stream'))
            return void readAnswer(response, unreachable).then(() => resolve(), reject)
          readEvents(response, (event, data) => {
            if (event === 'failed') return void reject(faultFromBody(data) ?? unreachable('it failed'))
            if (onEvent(event, data)) return
            outgoing.destroy()
            resolve()
          })
          response.once('end', resolve)
        })
        outgoing.once('error', (error) =>
          reject(error instanceof Fault ? error : unreachable(error.message, error)),
        )
        outgoing.end()
      }),
  }
}

/** The fingerprint of a certificate, as `RemoteApi` has it. */
export function fingerprintOf(der: Buffer): string {
  const hex = createHash('sha256').update(der).digest('hex').toUpperCase()
  return hex.match(/../g)?.join(':') ?? ''
}

function openRemote(
  { url, token, fingerprint }: RemoteApi,
  { method, path, headers }: { method: string; path: string; headers: Record<string, string | number> },
  onAnswer: (response: IncomingMessage) => void,
): ClientRequest {
  const authorized = token === '' ? headers : { ...headers, Authorization: `Bearer ${token}` }
  const to = new URL(path, url)
  if (fingerprint === undefined) return httpsRequest(to, { method, headers: authorized }, onAnswer)
  const createConnection = pinnedConnection(to, fingerprint) as unknown as () => TLSSocket
  return httpsRequest(to, { method, headers: authorized, createConnection }, onAnswer)
}

/** Opens connections on which nothing is said, the token least of all, before the certificate is the one that is known. */
function pinnedConnection({ hostname, port, href }: URL, fingerprint: string) {
  return (_: unknown, onCreate: (error: Error | null, socket?: TLSSocket) => void): undefined => {
    const socket = connect({
      ...{ host: hostname, port: Number(port || 443), rejectUnauthorized: false },
      ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
    })
    const failed = (error: Error): void => onCreate(error)
    socket.once('error', failed)
    socket.once('secureConnect', () => {
      socket.off('error', failed)
      const shown = fingerprintOf(socket.getPeerCertificate().raw)
      if (shown === fingerprint) return onCreate(null, socket)
      socket.destroy()
      const file = 'the file that qa login has written'
      onCreate(new Fault('client.untrusted', { host: href, fingerprint: shown, file }))
    })
  }
}

async function readAnswer(
  response: IncomingMessage,
  unreachable: (reason: string) => Fault,
): Promise<unknown> {
  const chunks = (await response.toArray()) as Buffer[]
  const answer = JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
  const failed = (response.statusCode ?? 500) >= 400
  if (failed) throw faultFromBody(answer) ?? unreachable(`it answered ${response.statusCode ?? 0}`)
  return answer
}

function readEvents(response: IncomingMessage, onEvent: (event: string, data: unknown) => void): void {
  let text = ''
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (text + chunk).split('\n\n')
    text = parts.pop() ?? ''
    for (const part of parts) {
      const [, event] = /^event: (.*)$/m.exec(part) ?? []
      const [, data] = /^data: (.*)$/m.exec(part) ?? []
      if (event !== undefined && data !== undefined) onEvent(event, JSON.parse(data))
    }
  })
}
