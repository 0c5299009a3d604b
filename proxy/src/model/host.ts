/** A node that may take desktops. */
export interface HostLoad {
  readonly id: number
  /** Memory already promised to desktops, MB. */
  readonly usedMb: number
  readonly totalMb: number
}

/** A node, and its places for desktops that are on their way up. */
export interface HostPlaces extends HostLoad {
  readonly starting: number
  readonly startingMax: number
}

/** A node's life, in QVD's words (compatibility page 7.1). */
export type HostState = 'stopped' | 'starting' | 'running' | 'stopping'

/** What a node counts, in QVD's words (compatibility page 8.1). */
export type HostCounter =
  'http_requests' | 'auth_attempts' | 'auth_ok' | 'nx_attempts' | 'nx_ok' | 'short_sessions'
