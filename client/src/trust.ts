import { Fault } from '@ostler/contract/fault.ts'
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'

export interface Server {
  readonly host: string
  readonly port: number
}

/** What to do about a certificate that nobody vouches for. */
export interface TrustSettings {
  /** File of the certificates that were accepted: one `host:port fingerprint` a line. */
  readonly file: string
  /** Asked for a certificate that is seen for the first time. */
  readonly confirm: (server: Server, fingerprint: string) => Promise<boolean>
}

const CONNECT_MS = 15_000

/**
 * Connects with TLS. The certificate must be vouched for by the system's authorities, or be the one that was
 * accepted for this server before, or be confirmed now. Nothing is sent before that.
 *
 * @throws Fault `client.unreachable`, `client.untrusted`, `client.unconfirmed`.
 */
export async function connectTrusted(server: Server, trust: TrustSettings): Promise<TLSSocket> {
  const socket = await openTls(server)
  try {
    await checkCertificate(socket, server, trust)
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function openTls({ host, port }: Server): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      servername: /^[\d.]+$|:/.test(host) ? '' : host,
      ALPNProtocols: ['http/1.1'],
      rejectUnauthorized: false, // judged by ourselves, before anything is sent
    })
    const fail = (error: Error): void => {
      socket.destroy()
      reject(new Fault('client.unreachable', { host, port, reason: error.message }, { cause: error }))
    }
    socket.setTimeout(CONNECT_MS, () => fail(new Error('no answer')))
    socket.once('error', fail)
    socket.once('secureConnect', () => {
      socket.setTimeout(0)
      socket.off('error', fail)
      socket.on('error', () => socket.destroy())
      socket.setNoDelay(true)
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
  if (!(await trust.confirm(server, fingerprint))) throw new Fault('client.unconfirmed', detail)
  mkdirSync(dirname(trust.file), { recursive: true, mode: 0o700 })
  appendFileSync(trust.file, `${server.host}:${server.port} ${fingerprint}\n`, { mode: 0o600 })
}

function readAccepted(file: string): Map<string, string> {
  if (!existsSync(file)) return new Map()
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  return new Map(lines.map((line): [string, string] => [line.split(' ')[0] ?? '', line.split(' ')[1] ?? '']))
}
