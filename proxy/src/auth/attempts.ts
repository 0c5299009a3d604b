import type { AttemptOutcome, AttemptSubject, Charge } from '../model/sign-in-attempt.ts'

/** Counts failed sign-ins. The database keeps the count, so that all doors share it. */
export interface AttemptBook {
  /**
   * Counts an attempt of a user from an address before it is judged, so that a thousand at once are a thousand.
   */
  charge(subject: AttemptSubject): Promise<Charge>
  /** Says what became of an attempt that went on. Never rejects. */
  settle(subject: AttemptSubject, charge: Charge, outcome: AttemptOutcome): Promise<void>
}
