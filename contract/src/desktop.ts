import type { FaultBody } from './fault.ts'
import type { DisplayKind } from './identity.ts'

/** A desktop's state as QVD's clients know it (compatibility page 1.3). */
export type QvdState = 'stopped' | 'starting' | 'running' | 'stopping' | 'zombie' | 'debugging'

/** One desktop in the list that a user gets. Numbers for the booleans: the C client insists on them. */
export interface DesktopListItem {
  readonly id: number
  readonly name: string
  readonly state: QvdState
  readonly blocked: 0 | 1
  readonly is_application: 0 | 1
}

/** Upgrade token of the NX stream. */
export const NX_UPGRADE = 'QVD/1.0'
/** Displays by their upgrade tokens. That of browsers goes by a WebSocket. */
export const UPGRADE_TOKENS: ReadonlyMap<string, Exclude<DisplayKind, 'rfb'>> = new Map([
  [NX_UPGRADE, 'nx'],
  ['vnc', 'vnc'],
  ['spice', 'spice'],
  ['rdp', 'rdp'],
])
/** Header of the 101 for SPICE: the ticket with which the client opens her further channels. */
export const TICKET_HEADER = 'X-Ostler-Ticket'
/** `GET` with an upgrade token and a ticket as bearer opens the display that the ticket is for. */
export const DISPLAY_TICKET_PATH = '/ostler/display'
/** Header of each 102 (it is Info, not Status). */
export const VM_INFO_HEADER = 'X-QVD-VM-Info'
export const SLAVE_KEY_HEADER = 'X-QVD-Slave-Key'
/** Header of the 101: the seat that was taken, for whoever wants to ask later what has become of it. */
export const SEAT_HEADER = 'X-Ostler-Seat'
/** `GET` with parameter `seat`, as the header told it: a `SeatFate` in JSON. */
export const SEAT_PATH = '/qvd/seat'
/** Header of a refusal: the fault as JSON in ASCII. The body is the sentence that QVD's clients show. */
export const FAULT_HEADER = 'X-Ostler-Fault'

/**
 * What has become of a seat. `held`: its door has it still. `free`: it was given back because its connection ended, which
 * nobody at the server meant; `isOver` when the session has ended, too. `ended`: it is somebody else's, or was ended on
 * purpose; `why` tells.
 */
export type SeatFate =
  | { readonly fate: 'held' }
  | { readonly fate: 'free'; readonly isOver: boolean }
  | { readonly fate: 'ended'; readonly why: FaultBody }
