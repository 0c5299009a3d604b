/**
 * A tunnel: one stream to a desktop that is no display of it. Whoever has a ticket opens it at the door of any node:
 * `GET TUNNEL_PATH` with `Upgrade: TUNNEL_UPGRADE` and the ticket as bearer, or a WebSocket. After the 101 the
 * bytes are those of the far end: frames of a console (`console-frames.ts`), RFB, what the ssh server says.
 */
export const TUNNEL_PATH = '/qvd/tunnel'
export const TUNNEL_UPGRADE = 'ostler-tunnel'

/** Where somebody who is signed in gets a ticket: parameters `id` and `kind`. The answer is a `TunnelTicket` in JSON. */
export const TUNNEL_TICKET_PATH = '/qvd/create_tunnel_ticket'

/**
 * For browsers: a WebSocket that offers the subprotocols `TUNNEL_UPGRADE` and `TICKET_PROTOCOL` + ticket. Its binary
 * messages are the stream. A ticket never stands in an address: those are written down everywhere.
 */
export const TUNNEL_SOCKET_PATH = '/portal/tunnel'
export const TICKET_PROTOCOL = 'ostler-ticket.'

export const TUNNEL_KINDS = ['console', 'support', 'serial', 'ssh', 'folder', 'usb'] as const
export type TunnelKind = (typeof TUNNEL_KINDS)[number]

/** What a signed-in user may ask the door for. */
export const USER_TUNNELS = ['support', 'folder', 'usb'] as const satisfies readonly TunnelKind[]
export type UserTunnel = (typeof USER_TUNNELS)[number]
/** What an administrator may ask the api for. */
export const ADMIN_TUNNELS = ['console', 'support', 'serial', 'ssh'] as const satisfies readonly TunnelKind[]
export type AdminTunnel = (typeof ADMIN_TUNNELS)[number]

/** A ticket: good once, for so many seconds, for the present boot of its desktop. */
export interface TunnelTicket {
  readonly ticket: string
  readonly seconds: number
}

/** A ticket, and the door of the api's node to open it at. */
export interface TunnelOffer extends TunnelTicket {
  readonly desktop: { readonly id: number; readonly name: string }
  readonly door: {
    readonly host: string
    readonly port: number
    /** The certificate that it shows, PEM; null: it speaks plain HTTP. */
    readonly certificate: string | null
  }
}
