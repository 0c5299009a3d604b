import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { HostLoad } from '../model/host.ts'
import { leastLoaded } from './balancer.ts'

const hosts: fc.Arbitrary<HostLoad[]> = fc.uniqueArray(
  fc.record({ id: fc.integer({ min: 1, max: 50 }), usedMb: fc.nat(9_000), totalMb: fc.nat(9_000) }),
  { selector: ({ id }) => id, maxLength: 8 },
)
const need = fc.record({ memoryMb: fc.integer({ min: 1, max: 9_000 }) })

test('without nodes there is no place', () => {
  expect(leastLoaded.choose([], { memoryMb: 1 })).toBeUndefined()
})

test('the node with most memory left is taken, not the biggest', () => {
  const small = { id: 1, usedMb: 0, totalMb: 4_000 }
  const big = { id: 2, usedMb: 15_000, totalMb: 16_000 }
  expect(leastLoaded.choose([big, small], { memoryMb: 512 })).toBe(1)
})

test('a desktop that fits exactly is taken, and one megabyte more is not', () => {
  const host = { id: 1, usedMb: 1_000, totalMb: 3_000 }
  expect(leastLoaded.choose([host], { memoryMb: 2_000 })).toBe(1)
  expect(leastLoaded.choose([host], { memoryMb: 2_001 })).toBeUndefined()
})

test('no node is ever promised more than it has, and a place is found whenever there is one', () => {
  fc.assert(
    fc.property(hosts, need, (given, { memoryMb }) => {
      const fitting = given.filter(({ usedMb, totalMb }) => totalMb - usedMb >= memoryMb).map(({ id }) => id)
      const chosen = leastLoaded.choose(given, { memoryMb })
      if (chosen === undefined) expect(fitting).toEqual([])
      else expect(fitting).toContain(chosen)
    }),
  )
})

test('the choice depends on neither the order nor the moment, and changes nothing', () => {
  const twice = hosts.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  )
  fc.assert(
    fc.property(twice, need, ([list, other], wanted) => {
      const before = structuredClone(list)
      expect(leastLoaded.choose(Object.freeze(list), wanted)).toBe(leastLoaded.choose(other, wanted))
      expect(list).toEqual(before)
    }),
  )
})
