import { expect, test } from 'vitest'
import { affinity } from './affinity.ts'
import { leastLoaded } from './balancer.ts'
import { weighted } from './weighted.ts'

const host = (id: number, more: object = {}) => ({
  id,
  usedMb: 0,
  totalMb: 8_000,
  desktops: 0,
  cpu: 4_000,
  ...more,
})
const need = { memoryMb: 512, draw: 0.5 }

test('QVD’s formula: what a node has for each desktop and one more', () => {
  const balancer = weighted({ ram: 1, cpu: 1, random: 0 })
  // (8000 + 4000) / 3 = 4000, (16000 + 4000) / 5 = 4000: the lower number; one desktop less decides.
  const hosts = [host(1, { desktops: 2 }), host(2, { totalMb: 16_000, desktops: 4 })]
  expect(balancer.choose(hosts, need)).toBe(1)
  expect(balancer.choose([host(1, { desktops: 2 }), host(2, { totalMb: 16_000, desktops: 3 })], need)).toBe(2)
  expect(weighted({ ram: 0, cpu: 1, random: 0 }).choose([host(1), host(2, { cpu: 5_000 })], need)).toBe(2)
})

test('a node without room is not chosen, whatever its score', () => {
  const full = host(2, { totalMb: 64_000, usedMb: 63_900 })
  expect(weighted({ ram: 1, cpu: 1, random: 1 }).choose([host(1), full], need)).toBe(1)
  expect(weighted({ ram: 1, cpu: 1, random: 1 }).choose([full], need)).toBeUndefined()
})

test('chance spreads equals evenly, and the same start falls the same again', () => {
  const balancer = weighted({ ram: 1, cpu: 1, random: 100 })
  const hosts = Array.from({ length: 8 }, (_, index) => host(index + 1))
  const taken = new Map<number, number>()
  for (let start = 0; start < 8_000; start++) {
    const draw = start / 8_000
    const chosen = balancer.choose(hosts, { memoryMb: 1, draw }) ?? 0
    expect(balancer.choose(hosts, { memoryMb: 1, draw })).toBe(chosen)
    taken.set(chosen, (taken.get(chosen) ?? 0) + 1)
  }
  expect([...taken.values()].every((count) => count > 700 && count < 1_300)).toBe(true)
})

test('a user’s desktops stay together while there is room', () => {
  const balancer = affinity(leastLoaded)
  const hers = host(1, { usedMb: 7_000, ofUser: 2 })
  expect(balancer.choose([hers, host(2, { ofUser: 1 }), host(3)], need)).toBe(1)
  expect(balancer.choose([{ ...hers, usedMb: 7_900 }, host(2), host(3, { totalMb: 9_000 })], need)).toBe(3)
  expect(balancer.choose([host(2), host(3, { totalMb: 9_000 })], need)).toBe(3)
})
