/** Whom an attempt is counted against. */
export interface AttemptSubject {
  readonly tenantId: number
  readonly login: string
  readonly address: string
}

/** An attempt that was counted, or that came too early. */
export interface Charge {
  /** Seconds after which another one is judged; 0: go on. Nothing was counted unless it is 0. */
  readonly seconds: number
  /** Takes the attempt back: it succeeded, or nobody could tell. Never throws. */
  refund(succeeded: boolean): Promise<void>
}

/** Counts failed sign-ins. The database keeps the count, so that all doors share it. */
export interface AttemptBook {
  /** Counts an attempt before it is judged, so that a thousand at once are a thousand. */
  charge(subject: AttemptSubject): Promise<Charge>
}
