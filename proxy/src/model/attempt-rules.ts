/** More than are counted before the count is forgotten. */
const UNLIMITED = 2 ** 31 - 1

/**
 * How failed sign-ins slow the next ones: the first `free` cost nothing, then each doubles the wait from
 * `firstSeconds` up to `maxSeconds`; without any for `forgetSeconds` the count begins again.
 */
export interface AttemptRule {
  readonly free: number
  readonly firstSeconds: number
  readonly maxSeconds: number
  readonly forgetSeconds: number
}

/**
 * One user from one address, one address, and one user from anywhere. The last two leave out addresses from which
 * she has signed in before: nobody locks her out by guessing in her name, and an office behind one address does not
 * suffer for one of its members.
 *
 * @param free by kind; 0 sets no limit.
 */
export function attemptRules(free: {
  readonly pair: number
  readonly address: number
  readonly user: number
}): Readonly<Record<'pair' | 'address' | 'user', AttemptRule>> {
  const rule = (count: number, maxSeconds: number): AttemptRule => ({
    free: count === 0 ? UNLIMITED : count,
    firstSeconds: 1,
    maxSeconds,
    forgetSeconds: 900,
  })
  return { pair: rule(free.pair, 60), address: rule(free.address, 60), user: rule(free.user, 10) }
}
