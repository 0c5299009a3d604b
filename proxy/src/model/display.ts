import type { DisplayKind, SessionDisplay, SocketKind } from '@ostler/contract/identity.ts'
import type { SessionGrant } from './policy.ts'

/** How a desktop is shown by one of its displays. */
export interface DisplayWay {
  readonly socket: SocketKind
  /** What the agent opens first; `undefined` for the screen of a virtual machine, which is there whatever runs inside. */
  readonly session: SessionDisplay | undefined
}

/**
 * The way to a display. `vnc` is the session's RFB where there is one, else the screen of the machine.
 *
 * @param has the displays of the desktop.
 * @returns `undefined` when the desktop has no such display.
 */
export function displayWay(display: DisplayKind, has: readonly DisplayKind[]): DisplayWay | undefined {
  if (!has.includes(display)) return undefined
  switch (display) {
    case 'nx':
    case 'rfb':
    case 'rdp':
      return { socket: display, session: display }
    case 'vnc':
      return has.includes('rfb') ? { socket: 'rfb', session: 'rfb' } : { socket: 'vnc', session: undefined }
    case 'spice':
      return { socket: 'spice', session: undefined }
  }
}

/** What a virtual machine shows unless told otherwise: its agent's displays, and its own screen. */
export const MACHINE_DISPLAYS = ['nx', 'rfb', 'vnc', 'spice'] as const satisfies readonly DisplayKind[]

/** How whoever sits at a desktop is named to others. */
export const VIEWER: Readonly<Record<DisplayKind, string>> = {
  nx: 'in a native client',
  rfb: 'in a browser',
  vnc: 'in a VNC viewer',
  spice: 'in a SPICE viewer',
  rdp: 'in an RDP client',
}

/**
 * What a grant forbids that the door cannot keep from the screen of a machine: no agent of ours stands between its
 * clipboard and the client's.
 */
export function beyondScreen(grant: SessionGrant): string | undefined {
  return grant.clipboard === 'both' ? undefined : `a clipboard of '${grant.clipboard}' cannot be kept there`
}

/** Numbers of SPICE's channels (spice/enums.h). */
const SPICE_CHANNELS = { playback: 5, record: 6, usb: 9, webdav: 11 } as const

/** The channels of SPICE that a grant closes. */
export function closedChannels({ audio, usb, folders }: SessionGrant): readonly number[] {
  const { playback, record, webdav } = SPICE_CHANNELS
  return [
    ...(audio ? [] : [playback, record]),
    ...(usb ? [] : [SPICE_CHANNELS.usb]),
    // Nothing tells its server to be read-only.
    ...(folders.access === 'rw' && folders.roots.length === 0 ? [] : [webdav]),
  ]
}
