/** Who may present a certificate of Ostler's own authority. */
export type Role = 'hkd' | 'l7r' | 'vma'

/** What a certificate says about its holder, as its only subject alternative name. */
export type Holder =
  | { readonly role: 'hkd' | 'l7r' }
  /** An agent, for one boot of one desktop: a certificate of an earlier boot is another holder. */
  | { readonly role: 'vma'; readonly desktop: number; readonly epoch: number }

/** The URI that stands in a holder's certificate. */
export function holderUri(holder: Holder): string {
  return holder.role === 'vma' ? `ostler://vma/${holder.desktop}/${holder.epoch}` : `ostler://${holder.role}`
}

/** The role in a peer's verified certificate, from Node's `subjectaltname`; `undefined` when it has none. */
export function roleOf(subjectAltName: string | undefined): Role | undefined {
  const match = /^URI:ostler:\/\/(hkd$|l7r$|vma(?=\/\d+\/\d+$))/.exec(subjectAltName ?? '')
  return match?.[1] as Role | undefined
}

/**
 * What hkd puts into the guest for one enrolment, as JSON in `enrol.json` of the boot folder.
 * The secret is good for one enrolment: hkd forgets it afterwards.
 */
export interface BootTicket {
  readonly desktop: number
  readonly epoch: number
  /** 32 random bytes, hex. The key of the TLS-PSK connection over which the agent enrols. */
  readonly secret: string
  /** The numeric user id that alone may open the display's sockets. */
  readonly displayUid: number
  /** The agent listens at `AGENT_SOCKET` of the display folder; missing: on its port. */
  readonly listen?: 'socket' | undefined
}

/** The PSK identity that goes with a boot ticket. */
export function pskIdentity(desktop: number, epoch: number): string {
  return `desktop-${desktop}-${epoch}`
}

/** Port of the agent inside the guest (`internal.vm.port.vma`). */
export const AGENT_PORT = 3030

/** Name of the agent's socket in the display folder, in desktops without a network. */
export const AGENT_SOCKET = 'agent.sock'

/** Where the node's run folder of a desktop appears inside the guest. */
export const GUEST_BOOT_FOLDER = '/run/ostler/boot'
export const GUEST_DISPLAY_FOLDER = '/run/ostler/display'
/** Where the agent's bundle is bound in a guest whose image does not carry one. */
export const GUEST_BUNDLE_FOLDER = '/opt/ostler-vma'

/** A way to see a desktop. */
export const DISPLAY_KINDS = ['nx', 'rfb'] as const
export type DisplayKind = (typeof DISPLAY_KINDS)[number]
/**
 * Names of the unix sockets in the display folder: those of agents, those of a virtual machine's own screen (`vnc`,
 * `spice`), and its serial line.
 */
export const DISPLAY_SOCKETS = {
  nx: 'nx.sock',
  rfb: 'rfb.sock',
  vnc: 'vnc.sock',
  spice: 'spice.sock',
  serial: 'serial.sock',
} as const
export type SocketKind = keyof typeof DISPLAY_SOCKETS
