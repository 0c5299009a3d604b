/**
 * What a ticket opens: through a tunnel to a desktop (`console`, `support`, `serial`, `ssh`, `folder`, `usb`), a display of
 * it (`vnc`, `spice`, `rdp`), or the door of the desktop's own node for a door of another one (`hop`).
 */
export const TICKET_KINDS = [
  'console',
  'support',
  'serial',
  'ssh',
  'folder',
  'usb',
  'vnc',
  'spice',
  'rdp',
  'hop',
] as const
export type TicketKind = (typeof TICKET_KINDS)[number]

/** Displays that a ticket opens. */
export const DISPLAY_TICKETS = ['vnc', 'spice', 'rdp'] as const satisfies readonly TicketKind[]
export type DisplayTicketKind = (typeof DISPLAY_TICKETS)[number]

/** How long a ticket may wait for its use, in seconds: it is fetched and used in one go. */
export const TICKET_SECONDS = 30
/** A SPICE client opens a connection for each of its channels; everything else is opened once. */
export const MAX_TICKET_USES = 32
/** A ticket for a display may lie in a file that a user has to open. */
export const DISPLAY_TICKET_SECONDS = 60
