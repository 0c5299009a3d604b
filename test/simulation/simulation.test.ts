import { leastLoaded } from '@ostler/proxy/balance/balancer.ts'
import { weighted } from '@ostler/proxy/balance/weighted.ts'
import type { PlacementSnapshot } from '@ostler/proxy/store/placement-snapshot.ts'
import { expect, test } from 'vitest'
import { drain } from '../../scripts/simulate/drain.ts'
import { EventQueue } from '../../scripts/simulate/event-queue.ts'
import { plot } from '../../scripts/simulate/plot.ts'
import { type Scenario, simulate, type SimulationSettings } from '../../scripts/simulate/world.ts'

const settings = (scenario: Scenario, more: Partial<SimulationSettings> = {}): SimulationSettings => ({
  ...{ scenario, desktops: 2_000, hosts: 40, balancer: leastLoaded, seed: 1 },
  ...{ hostMb: 262_144, startingMax: 6, desktopMb: 2_048, failing: 5 },
  ...more,
})

test('a storm of logins: every desktop runs, and nodes are as full as each other', () => {
  const { samples, placements, retries, refused, skew, toRunning } = simulate(settings('login-storm'))
  expect(samples.at(-1)).toMatchObject({ running: 2_000, waiting: 0, starting: 0 })
  expect(placements).toBe(2_000 + retries)
  expect(refused).toBe(0)
  expect(toRunning).toHaveLength(2_000)
  expect(skew).toBeLessThan(1.1)
})

test('nodes die: what ran there runs elsewhere, once it is sure', () => {
  const { samples, toRunning, placements } = simulate(settings('node-death'))
  expect(samples[0]?.running).toBe(2_000)
  expect(samples.at(-1)?.running).toBe(2_000)
  // Two of forty nodes had a twentieth of the desktops.
  expect(toRunning.length).toBeGreaterThan(80)
  expect(toRunning.length).toBeLessThan(120)
  expect(placements).toBeGreaterThanOrEqual(toRunning.length)
})

test('a roll-out: every desktop starts anew, and nodes without places for starts make them wait', () => {
  const wide = simulate(settings('image-roll-out'))
  expect(wide.toRunning).toHaveLength(2_000)
  expect(wide.samples.at(-1)?.running).toBe(2_000)
  const narrow = simulate(settings('image-roll-out', { startingMax: 1 }))
  expect(narrow.toRunning).toHaveLength(2_000)
  expect(narrow.toPlaced.at(-1)).toBeGreaterThan(wide.toPlaced.at(-1) ?? Infinity)
})

test('without room desktops are refused, and no node is promised more than it has', () => {
  const { refused, samples, skew } = simulate(settings('login-storm', { hostMb: 16_384 }))
  expect(refused).toBeGreaterThan(0)
  expect(samples.at(-1)?.running).toBe(2_000 - refused)
  expect(skew).toBeGreaterThanOrEqual(1)
})

test('the same seed gives the same world, also with dice', () => {
  const balancer = weighted({ ram: 1, cpu: 1, random: 100 })
  const once = simulate(settings('login-storm', { balancer }))
  expect(simulate(settings('login-storm', { balancer }))).toEqual(once)
  expect(simulate(settings('login-storm', { balancer, seed: 2 }))).not.toEqual(once)
})

test('what if a node drains: who goes where, who stays, and what that makes of the others', () => {
  const host = (id: number, name: string, totalMb: number, open = true) => ({
    ...{ id, name, totalMb, open, cpu: 0, startingMax: 6 },
  })
  const desktop = (id: number, hostId: number, memoryMb: number, bound = false) => ({
    ...{ id, hostId, memoryMb, bound, userId: id, epoch: 1 },
  })
  const snapshot: PlacementSnapshot = {
    hosts: [
      host(1, 'one', 8_000),
      host(2, 'two', 4_000),
      host(3, 'three', 6_000),
      host(4, 'shut', 9_000, false),
    ],
    desktops: [
      ...[desktop(1, 1, 3_000), desktop(2, 1, 3_000), desktop(3, 1, 2_000, true), desktop(4, 1, 3_500)],
      desktop(5, 2, 500),
    ],
  }
  const { desktops, hosts } = drain(snapshot, 'one', leastLoaded)
  expect(desktops).toEqual([
    { id: 1, to: 'three', bound: false },
    { id: 2, to: 'two', bound: false },
    { id: 3, to: undefined, bound: true },
    { id: 4, to: undefined, bound: false },
  ])
  expect(hosts).toEqual([
    { name: 'one', totalMb: 8_000, beforeMb: 11_500, afterMb: 5_500 },
    { name: 'two', totalMb: 4_000, beforeMb: 500, afterMb: 3_500 },
    { name: 'three', totalMb: 6_000, beforeMb: 0, afterMb: 3_000 },
  ])
  expect(() => drain(snapshot, 'nobody', leastLoaded)).toThrow('nobody')
})

test('things happen in the order of their time, and at one time in the order in which they were said', () => {
  const queue = new EventQueue()
  const seen: string[] = []
  const say = (word: string) => (): void => void seen.push(`${word} ${queue.now}`)
  for (const ms of [30, 10, 20, 10]) queue.after(ms, say(`in ${ms}`))
  queue.after(10, () => queue.after(5, say('then')))
  queue.drain()
  expect(seen).toEqual(['in 10 10', 'in 10 10', 'then 15', 'in 20 20', 'in 30 30'])
})

test('a plot has a line for each count', () => {
  const { samples } = simulate(settings('login-storm', { desktops: 50, hosts: 2 }))
  const svg = plot(samples, 'fifty')
  expect(svg.match(/<polyline/g)).toHaveLength(3)
  expect(svg).toContain('fifty')
})
