import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { retryOf, type RetryRules } from './start-retry.ts'
import { WISH_KINDS } from './wish.ts'

const RULES: RetryRules = { firstMs: 5_000, longestMs: 600_000, failuresMax: 5 }
const ORDER = { kind: 'run' } as const
const USER = { kind: 'run', interactive: true } as const
const SPARE = { kind: 'spare' } as const
const LASTING = { kind: 'run', persistent: true } as const

describe('a desktop whose start failed', () => {
  test.each([
    ['once: a user may try at once', 1, 5_000, [USER], { kind: 'now' }],
    ['once: a spare one waits', 1, 5_000, [SPARE], { kind: 'later', inMs: 5_000 }],
    ['once: a lasting wish waits, too', 1, 5_000, [LASTING], { kind: 'later', inMs: 5_000 }],
    ['a while ago: the spare one is tried', 3, 0, [SPARE], { kind: 'now' }],
    ['and a user comes while a spare one waits: now', 1, 5_000, [SPARE, USER], { kind: 'now' }],
    ['too often: no user', 5, null, [USER], { kind: 'never' }],
    ['too often: nothing by itself', 9, -1, [SPARE, LASTING, USER], { kind: 'never' }],
    ['too often: an administrator still may', 9, 5_000, [SPARE, USER, ORDER], { kind: 'now' }],
  ] as const)('%s', (_, failures, nextTryInMs, wishes, retry) => {
    expect(retryOf({ failures, nextTryInMs, wishes }, RULES)).toEqual(retry)
  })

  test('that failed too often is started by an order of an administrator alone', () => {
    const wish = fc.record({
      kind: fc.constantFrom(...WISH_KINDS),
      interactive: fc.boolean(),
      persistent: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(wish), fc.option(fc.integer()), (wishes, nextTryInMs) => {
        const ordered = wishes.some(
          ({ kind, interactive, persistent }) => kind === 'run' && !interactive && !persistent,
        )
        const { kind } = retryOf({ failures: 5, nextTryInMs, wishes }, RULES)
        expect(kind).toBe(ordered ? 'now' : 'never')
      }),
    )
  })
})
