/** A node that may take desktops. */
export interface HostLoad {
  readonly id: number
  /** Memory already promised to desktops, MB. */
  readonly usedMb: number
  readonly totalMb: number
  /** Desktops that are not at rest there; absent: none. */
  readonly desktops?: number
  /** Of these, those of the user whose desktop is to be placed. */
  readonly ofUser?: number
  /** What its processors come to, in QVD's measure: 0.8 of their bogomips. */
  readonly cpu?: number
}

/** A node, and its places for desktops that are on their way up. */
export interface HostPlaces extends HostLoad {
  readonly starting: number
  readonly startingMax: number
}

/** A node that says nothing for so long takes no desktops. */
export const HOST_SILENT_SECONDS = 20

/** The dice of one start of a desktop, in [0, 1): the same start throws the same again. */
export function drawOf({ id, epoch }: { readonly id: number; readonly epoch: number }): number {
  const state = Math.imul(id, 0x9e3779b9) ^ Math.imul(epoch + 1, 0x85ebca6b)
  return (Math.imul(state ^ (state >>> 15), 0xc2b2ae35) >>> 0) / 2 ** 32
}

/** A node's life, in QVD's words (compatibility page 7.1); `lost`: others have its desktops. */
export type HostState = 'stopped' | 'starting' | 'running' | 'stopping' | 'lost'

/** What a node counts, in QVD's words (compatibility page 8.1). */
export type HostCounter =
  'http_requests' | 'auth_attempts' | 'auth_ok' | 'nx_attempts' | 'nx_ok' | 'short_sessions'
