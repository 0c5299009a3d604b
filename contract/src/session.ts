/**
 * The life of an X session inside a guest, as the agent reports it (compatibility page 3.3):
 * which states may follow which. `stopped` may follow any of them: a process can always die.
 */
const SESSION_EDGES = {
  stopped: ['provisioning', 'starting'],
  /** The account and the home are being made. */
  provisioning: ['starting'],
  /** A start was accepted, or nxagent was spawned or woken, and it is not listening yet. */
  starting: ['provisioning', 'listening', 'connected', 'suspending', 'suspended', 'stopping'],
  /** nxagent waits for the NX link. */
  listening: ['connected', 'suspending', 'suspended', 'stopping'],
  connected: ['suspending', 'stopping'],
  suspending: ['suspended', 'stopping'],
  suspended: ['starting', 'listening', 'stopping'],
  stopping: [],
} as const satisfies Record<string, readonly string[]>

export type SessionState = keyof typeof SESSION_EDGES

export const SESSION_STATES = Object.keys(SESSION_EDGES) as [SessionState, ...SessionState[]]

/** True when `to` may follow `from`. */
export function mayFollow(from: SessionState, to: SessionState): boolean {
  return to === 'stopped' || (SESSION_EDGES[from] as readonly SessionState[]).includes(to)
}

/** True when programs of the session are running and can be seen: now, or after a resume. */
export function isAlive(state: SessionState): boolean {
  return state === 'connected' || state === 'suspending' || state === 'suspended'
}
