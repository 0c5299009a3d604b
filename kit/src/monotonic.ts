const NS_PER_MS = 1e6

/**
 * Milliseconds of the kernel's monotonic clock (CLOCK_MONOTONIC): the same in all processes of a machine until it starts anew, whatever
 * becomes of the time of day.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / NS_PER_MS
}
