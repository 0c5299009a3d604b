import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LAST_CONTAINER_USER, userRange } from './user-range.ts'

const NUMBERS = { first: 655_360_000, perDesktop: 65_536 }

test('neighbours have ranges that touch and do not overlap', () => {
  expect(userRange(NUMBERS, 7)).toEqual({ first: 655_360_000 + 7 * 65_536, count: 65_536 })
  expect(userRange(NUMBERS, 8).first).toBe(userRange(NUMBERS, 7).first + 65_536)
})

test('no range reaches beyond the numbers of containers, and the first thousands all differ', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31 - 1), (id) => {
      const { first, count } = userRange(NUMBERS, id)
      return first >= NUMBERS.first && first + count - 1 <= LAST_CONTAINER_USER
    }),
  )
  const firsts = Array.from({ length: 18_000 }, (_, id) => userRange(NUMBERS, id).first)
  expect(new Set(firsts).size).toBe(firsts.length)
})
