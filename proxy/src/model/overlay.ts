/**
 * What becomes of what a desktop writes outside its home: with `snapshot` each boot finds the image as it is, with
 * `persistent` it finds what the desktop has written, and with `user` what any of that user's desktops of the flavour has.
 */
export const OVERLAY_KINDS = ['snapshot', 'persistent', 'user'] as const
export type OverlayKind = (typeof OVERLAY_KINDS)[number]
