import { type FlavourStarts, START_HOPS, type HopTimes } from '@ostler/contract/slo.ts'

/** What was counted of a flavour's starts. */
export type CountedStarts = Omit<FlavourStarts, 'reached' | 'budget' | 'blamed'>

/**
 * Says what counted starts come to: how much of the promise was kept, what is left of its error budget, and which hop is to blame
 * for most that went wrong; of equals the one that lost more time. Pure.
 */
export function judgeStarts(counted: CountedStarts, hops: readonly HopTimes[]): FlavourStarts {
  const { starts, late, failed, seconds, percent } = counted
  const bad = late + failed
  const allowed = starts * (1 - percent / 100)
  const blamed = [...hops].sort(
    (a, b) =>
      b.blamed - a.blamed || b.lostMs - a.lostMs || START_HOPS.indexOf(a.hop) - START_HOPS.indexOf(b.hop),
  )[0]
  return {
    ...counted,
    reached: starts === 0 ? null : rounded((100 * (starts - bad)) / starts),
    budget: seconds === null || starts === 0 ? null : rounded(100 * (1 - bad / allowed)),
    blamed: blamed === undefined || blamed.blamed === 0 ? null : blamed.hop,
  }
}

function rounded(percent: number): number {
  return Math.round(percent * 100) / 100
}
