import {
  TICKET_PROTOCOL,
  TUNNEL_SOCKET_PATH,
  TUNNEL_UPGRADE,
  type TunnelOffer,
} from '@ostler/contract/tunnel.ts'
import { phrases } from '../shared/language.ts'
import { ask, sentence } from './api.ts'

const say = phrases({
  unreachable: [
    'The door at {door} cannot be reached from this browser. If its certificate is its own, open https://{door}/ once and accept it.',
    'Este navegador no puede conectar con la puerta {door}. Si su certificado es propio, abra https://{door}/ una vez y acéptelo.',
  ],
  ended: ['The connection has ended.', 'La conexión ha terminado.'],
})

/** A tunnel into a desktop as a WebSocket to the door, whose ticket was asked for at the api. */
export interface Tunnel {
  readonly socket: WebSocket
  /** Why it is over, in words. */
  readonly whyOver: (event: CloseEvent) => string
}

/** @throws ApiError. */
export async function openTunnel(
  desktop: string,
  kind: 'console' | 'serial' | 'support',
  account?: string,
): Promise<Tunnel> {
  const answer = await ask('POST /v1/desktops/{name}/tunnels', {
    parts: { name: desktop },
    body: { kind, ...(account === undefined ? {} : { account }) },
  })
  const { ticket, door } = answer as unknown as TunnelOffer
  // The door of the node that answered: a host that only the node knows is no use here, its port is.
  const place = `${location.hostname}:${door.port}`
  const address = `${door.certificate === null ? 'ws' : 'wss'}://${place}${TUNNEL_SOCKET_PATH}`
  const socket = new WebSocket(address, [TUNNEL_UPGRADE, `${TICKET_PROTOCOL}${ticket}`])
  socket.binaryType = 'arraybuffer'
  let isOpen = false
  socket.addEventListener('open', () => (isOpen = true))
  return {
    socket,
    whyOver: ({ reason }) =>
      !isOpen ? say('unreachable', { door: place }) : reason === '' ? say('ended') : sentence(reason),
  }
}
