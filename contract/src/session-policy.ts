/**
 * How the door tells the agent what policy allows in a session, as parameters of `x_start`. The door adds them last;
 * a missing one allows (QVD's own l7r sends none).
 */
export const POLICY_PARAMETERS = {
  /** A `ClipboardWay`. */
  clipboard: 'qvd.ostler.policy.clipboard',
  /** `off`, `ro` or `rw`. */
  folders: 'qvd.ostler.policy.folders',
  /** Folders of the client that may be shared, by commas; empty: all. */
  roots: 'qvd.ostler.policy.folders.roots',
  /** 0 or 1: whether the client may reach ports of the desktop. */
  ports: 'qvd.ostler.policy.ports',
  /** 0 or 1. */
  printing: 'qvd.ostler.policy.printing',
  /** 0 or 1. */
  audio: 'qvd.ostler.policy.audio',
  /** 0 or 1. */
  usb: 'qvd.ostler.policy.usb',
} as const

/** Ways in which the clipboard may go: from the client into the desktop, out of it, both, or not at all. */
export const CLIPBOARD_WAYS = ['none', 'in', 'out', 'both'] as const
export type ClipboardWay = (typeof CLIPBOARD_WAYS)[number]

/** What may be done with folders of the client. */
export const FOLDER_ACCESS = ['off', 'ro', 'rw'] as const
export type FolderAccess = (typeof FOLDER_ACCESS)[number]
