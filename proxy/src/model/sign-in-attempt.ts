/** Whom an attempt is counted against. */
export interface AttemptSubject {
  readonly tenantId: number
  readonly login: string
  readonly address: string
  /** Equal for equal credentials (`auth/recent-failures.ts`), from 0 to 65,535. */
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
