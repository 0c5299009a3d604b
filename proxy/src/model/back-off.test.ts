import fc from 'fast-check'
import { expect, test } from 'vitest'
import { backOff } from './back-off.ts'

const RULES = { firstMs: 5_000, longestMs: 600_000 }

test('what failed waits twice as long each time, up to the longest', () => {
  const delays = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((failures) => backOff(failures, RULES))
  expect(delays).toEqual([5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 600_000, 600_000])
})

test('nothing waits less after one more failure, nor longer than the longest', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 ** 6 }), (failures) => {
      const [now, next] = [backOff(failures, RULES), backOff(failures + 1, RULES)]
      expect(next).toBeGreaterThanOrEqual(now)
      expect(next).toBeLessThanOrEqual(RULES.longestMs)
    }),
  )
})
