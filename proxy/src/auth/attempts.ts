/** Whom an attempt is counted against. */
export interface AttemptSubject {
  readonly tenantId: number
  readonly login: string
  readonly address: string
}

/** Counts failed sign-ins. The database keeps the count, so that all doors share it. */
export interface AttemptBook {
  /**
   * Counts an attempt before it is judged, so that a thousand at once are a thousand.
   * @returns the seconds after which another one is judged, or 0: go on.
   */
  charge(subject: AttemptSubject): Promise<number>
  /** Takes an attempt back: it succeeded, or nobody could tell. */
  refund(subject: AttemptSubject, succeeded: boolean): Promise<void>
}
