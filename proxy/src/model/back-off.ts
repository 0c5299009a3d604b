/** How long something that failed waits until it is tried again by itself. */
export interface BackOff {
  /** After the first failure; each further wait is twice as long. */
  readonly firstMs: number
  readonly longestMs: number
}

/** Milliseconds to wait after so many failures in a row. */
export function backOff(failures: number, { firstMs, longestMs }: BackOff): number {
  return Math.min(longestMs, firstMs * 2 ** Math.min(30, Math.max(0, failures - 1)))
}
