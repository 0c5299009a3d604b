/** Whom an attempt is counted against. */
export interface AttemptSubject {
  readonly tenantId: number
  readonly login: string
  readonly address: string
}

/** What became of an attempt: she is in, the credentials were wrong, or nobody could tell. */
export type AttemptOutcome = 'in' | 'wrong' | 'unknown'

/** Counts failed sign-ins. The database keeps the count, so that all doors share it. */
export interface AttemptBook {
  /**
   * Counts an attempt of a user from an address before it is judged, so that a thousand at once are a thousand.
   * @returns the seconds after which another one is judged, or 0: go on.
   */
  charge(subject: AttemptSubject): Promise<number>
  /** Says what became of an attempt that went on. Never rejects. */
  settle(subject: AttemptSubject, outcome: AttemptOutcome): Promise<void>
}
