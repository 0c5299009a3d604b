/** Whom an attempt is counted against. */
export interface AttemptSubject {
  readonly tenantId: number
  readonly login: string
  readonly address: string
  /** Equal for equal credentials (`RecentFailures`). */
  readonly mark: number
}

/** What became of counting an attempt. */
export interface Charge {
  /** Seconds after which another one is judged; 0: go on. */
  readonly seconds: number
  /** The same credentials were counted a moment ago, perhaps by another process: they are the same attempt. */
  readonly isAgain: boolean
}

/** What became of an attempt: she is in, the credentials were wrong, or nobody could tell. */
export type AttemptOutcome = 'in' | 'wrong' | 'unknown'

/** Counts failed sign-ins. The database keeps the count, so that all doors share it. */
export interface AttemptBook {
  /**
   * Counts an attempt of a user from an address before it is judged, so that a thousand at once are a thousand.
   */
  charge(subject: AttemptSubject): Promise<Charge>
  /** Says what became of an attempt that went on. Never rejects. */
  settle(subject: AttemptSubject, charge: Charge, outcome: AttemptOutcome): Promise<void>
}
