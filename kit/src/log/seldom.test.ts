import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { warnSeldom } from './seldom.ts'

beforeEach(() => vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => vi.useRealTimers())

test('so many lines are written, and the next one that is says how many were not', () => {
  const said: unknown[] = []
  const warn = warnSeldom(
    { warn: (message, fields) => said.push([message, fields]) },
    { lines: 2, everyMs: 1_000 },
  )
  for (let number = 0; number < 5; number++) warn('refused', { number })
  expect(said).toEqual([
    ['refused', { number: 0 }],
    ['refused', { number: 1 }],
  ])
  vi.advanceTimersByTime(999)
  warn('refused', { number: 5 })
  expect(said).toHaveLength(2)
  vi.advanceTimersByTime(1)
  warn('refused', { number: 6 })
  warn('refused', { number: 7 })
  warn('refused', { number: 8 })
  expect(said.slice(2)).toEqual([
    ['refused', { number: 6, leftOut: 4 }],
    ['refused', { number: 7 }],
  ])
})
