import { Fault, faultFromBody } from '@ostler/contract/fault.ts'
import { type AdminTunnel, TUNNEL_PATH, TUNNEL_UPGRADE, type TunnelOffer } from '@ostler/contract/tunnel.ts'
import { X509Certificate } from 'node:crypto'
import { type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ApiClient } from '../api-client.ts'

/** What a tunnel is asked for with. */
export interface TunnelWish {
  readonly kind: AdminTunnel
  /** Whose login shell a console opens; root's if not given. */
  readonly account?: string
  /** Who asks, for the audit log. */
  readonly person?: string
  /** More headers for the door. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A stream to a desktop, paused; half-open as TCP is, with a listener for errors that destroys it. */
export interface OpenTunnel {
  readonly stream: Socket
  readonly desktop: TunnelOffer['desktop']
}

const CONNECT_MS = 10_000
/** The door waits for hkd and for the agent, each for a bounded time, and says so meanwhile. */
const SILENCE_MS = 20_000
const MAX_ANSWER = 65_536

/**
 * Gets a ticket from the api and opens it at the door, which must show the very certificate that the api names.
 *
 * @param desktop name or number.
 * @throws Fault as the api and the door answer, `client.unreachable`, or `client.refused` for another answer.
 */
export async function openTunnel(api: ApiClient, desktop: string, wish: TunnelWish): Promise<OpenTunnel> {
  const { headers = {}, ...asked } = wish
  const path = `/v1/desktops/${encodeURIComponent(desktop)}/tunnels`
  const offer = (await api.post(path, asked)) as TunnelOffer
  const { host, port } = offer.door
  try {
    const socket = await connectDoor(offer.door)
    return { stream: await upgrade(socket, offer, headers), desktop: offer.desktop }
  } catch (error) {
    if (error instanceof Fault) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new Fault('client.unreachable', { host, port, reason }, { cause: error })
  }
}

function connectDoor({ host, port, certificate }: TunnelOffer['door']): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const half = { host, port, allowHalfOpen: true }
    // Whoever signed it and whatever name it bears: one certificate is the right one, and it is looked at below.
    const tls = certificate === null ? undefined : connectTls({ ...half, rejectUnauthorized: false })
    const socket: Socket = tls ?? connect(half)
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), CONNECT_MS)
    socket.on('error', (error) => {
      socket.destroy()
      reject(error)
    })
    socket.once('close', () => {
      clearTimeout(timer)
      reject(new Error('it closed the connection'))
    })
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      clearTimeout(timer)
      const right = certificate === null ? undefined : new X509Certificate(certificate).fingerprint256
      if (right === tls?.getPeerX509Certificate()?.fingerprint256) resolve(socket)
      else socket.destroy(new Error('it shows another certificate than path.l7r.ssl.cert holds'))
    })
  })
}

function upgrade(
  socket: Socket,
  { door: { host }, ticket }: TunnelOffer,
  headers: Readonly<Record<string, string>>,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      createConnection: () => socket,
      path: TUNNEL_PATH,
      headers: {
        ...headers,
        Host: host,
        Connection: 'Upgrade',
        Upgrade: TUNNEL_UPGRADE,
        Authorization: `Bearer ${ticket}`,
      },
    })
    outgoing.setTimeout(SILENCE_MS, () => outgoing.destroy(new Error('no answer')))
    outgoing.on('error', reject)
    outgoing.once('response', (response) => {
      readFault(response, host)
        .then(reject, reject)
        .finally(() => outgoing.destroy())
    })
    outgoing.once('upgrade', (_, stream, head) => {
      stream.setTimeout(0)
      stream.setNoDelay(true)
      stream.pause()
      if (head.length > 0) stream.unshift(head)
      resolve(stream)
    })
    outgoing.end()
  })
}

async function readFault(response: IncomingMessage, host: string): Promise<Fault> {
  let text = ''
  for await (const chunk of response as AsyncIterable<Buffer>)
    if ((text += chunk.toString('utf8')).length > MAX_ANSWER) break
  try {
    const fault = faultFromBody(JSON.parse(text) as unknown)
    if (fault !== undefined) return fault
  } catch {
    // Told below as what it is.
  }
  const status = response.statusCode ?? 0
  return new Fault('client.refused', { host, status, text: text.slice(0, 200).replace(/[^\x20-\x7e]/g, ' ') })
}
