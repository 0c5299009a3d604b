import { Fault } from '@ostler/contract/fault.ts'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect, getCACertificates, type TLSSocket } from 'node:tls'

export interface Server {
  readonly host: string
  readonly port: number
  /** Without TLS: only where the configuration says so. */
  readonly plain?: boolean
}

/** What to do about a certificate that nobody vouches for. */
export interface TrustSettings {
  /** File of the certificates that were accepted: one `host:port fingerprint` a line. */
  readonly file: string
  /** Asked for a certificate that is seen for the first time. */
  readonly confirm: (server: Server, fingerprint: string) => Promise<boolean>
  /** Authorities besides the system's, PEM. */
  readonly authorities?: readonly string[]
  /** Whom we say that we are, PEM. */
  readonly identity?: { readonly cert: string; readonly key: string }
  /** Names the key that forbids to trust a certificate with this problem; `undefined`: it may be confirmed. */
  readonly barredBy?: (problem: string) => string | undefined
}

const CONNECT_MS = 15_000
/** A network that is gone without a word is found by this, and ten questions a second apart. */
const KEEP_ALIVE_MS = 15_000

/**
 * Connects. The certificate must be vouched for by an authority, or be the one that was accepted for this server
 * before, or be confirmed now. Nothing is sent before that.
 *
 * @throws Fault `client.unreachable`, `client.untrusted`, `client.unconfirmed`, `client.barred`.
 */
export async function connectTrusted(server: Server, trust: TrustSettings): Promise<Socket> {
  if (server.plain === true) return await opened(server, connectPlain(server), 'connect')
  const socket = connect({
    host: server.host,
    port: server.port,
    servername: /^[\d.]+$|:/.test(server.host) ? '' : server.host,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: false, // judged by ourselves, before anything is sent
    ...(trust.authorities?.length ? { ca: [...getCACertificates('default'), ...trust.authorities] } : {}),
    ...trust.identity,
  })
  await opened(server, socket, 'secureConnect')
  try {
    await checkCertificate(socket, server, trust)
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function opened<S extends Socket>({ host, port }: Server, socket: S, event: string): Promise<S> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      socket.destroy()
      reject(new Fault('client.unreachable', { host, port, reason: error.message }, { cause: error }))
    }
    socket.setTimeout(CONNECT_MS, () => fail(new Error('no answer')))
    socket.once('error', fail)
    socket.once(event, () => {
      socket.setTimeout(0)
      socket.off('error', fail)
      socket.on('error', () => socket.destroy())
      socket.setNoDelay(true)
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      resolve(socket)
    })
  })
}

async function checkCertificate(socket: TLSSocket, server: Server, trust: TrustSettings): Promise<void> {
  if (socket.authorized) return
  const fingerprint = socket.getPeerCertificate().fingerprint256
  const detail = { host: server.host, fingerprint, file: trust.file }
  const known = readAccepted(trust.file).get(`${server.host}:${server.port}`)
  if (known === fingerprint) return
  if (known !== undefined) throw new Fault('client.untrusted', detail)
  const problem = String(socket.authorizationError)
  const key = trust.barredBy?.(problem)
  if (key !== undefined) throw new Fault('client.barred', { host: server.host, problem, key })
  if (!(await trust.confirm(server, fingerprint))) throw new Fault('client.unconfirmed', detail)
  mkdirSync(dirname(trust.file), { recursive: true, mode: 0o700 })
  appendFileSync(trust.file, `${server.host}:${server.port} ${fingerprint}\n`, { mode: 0o600 })
}

function readAccepted(file: string): Map<string, string> {
  if (!existsSync(file)) return new Map()
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  return new Map(lines.map((line): [string, string] => [line.split(' ')[0] ?? '', line.split(' ')[1] ?? '']))
}
