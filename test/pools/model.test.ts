import type { PoolRules } from '@ostler/proxy/model/pool.ts'
import { describe, expect, test } from 'vitest'
import {
  type Flaw,
  Leak,
  newWorld,
  NODES,
  type Operation,
  operate,
  OPERATIONS,
  type PoolWorld,
  requireNoLeak,
} from './pool-world.ts'

/** Random events on the model that change something; `OSTLER_POOL_EVENTS` for a longer walk. */
const RANDOM_EVENTS = Number(process.env['OSTLER_POOL_EVENTS'] ?? 1_000_000)
const SEED = Number(process.env['OSTLER_SEED'] ?? 41)

const FLOATING: PoolRules = { assign: 'floating', spare: 1, most: 10 }
const DEDICATED: PoolRules = { assign: 'dedicated', spare: 1, most: 10 }

describe('no user ever meets data of another one', () => {
  test.each([
    ['one floating desktop', FLOATING, 1, 2],
    ['one dedicated desktop', DEDICATED, 1, 2],
    ['one floating desktop and three users', FLOATING, 1, 3],
    ['two floating desktops', FLOATING, 2, 2],
  ])(
    'in any order of events: %s',
    (_, rules, desktops, users) => {
      const seen = explore(newWorld(rules, desktops), users, 'none')
      expect(seen).toBeGreaterThan(50)
    },
    120_000,
  )

  test(`in ${RANDOM_EVENTS} random events (seed ${SEED})`, () => {
    for (const rules of [FLOATING, DEDICATED]) wander(newWorld(rules, 4), 6, RANDOM_EVENTS / 2)
  }, 600_000)
})

describe('the check finds', () => {
  test.each<Flaw>(['confirms without a look', 'gives what is dirty', 'forgets a node', 'seats anybody'])(
    'a pool that %s',
    (flaw) => {
      expect(() => explore(newWorld(FLOATING, 1), 2, flaw)).toThrow(Leak)
    },
  )
})

/** Every world that can be reached. @returns how many. @throws Leak. */
function explore(first: PoolWorld, users: number, flaw: Flaw): number {
  const operations = allOperations(first.desktops.length, users)
  const seen = new Set([keyOf(first)])
  let edge = [first]
  while (edge.length > 0) {
    const next: PoolWorld[] = []
    for (const world of edge)
      for (const operation of operations) {
        const after = operate(world, operation, flaw)
        if (after === world) continue
        requireNoLeak(after)
        const key = keyOf(after)
        if (seen.has(key)) continue
        seen.add(key)
        next.push(after)
      }
    edge = next
  }
  return seen.size
}

function wander(first: PoolWorld, users: number, count: number): void {
  const operations = allOperations(first.desktops.length, users)
  const random = lcg(SEED)
  let world = first
  for (let done = 0; done < count;) {
    const operation = operations[Math.floor(random() * operations.length)]
    if (operation === undefined) throw new Error('no operation')
    const after = operate(world, operation, 'none')
    if (after === world) continue
    requireNoLeak(after)
    world = after
    done += 1
  }
}

function allOperations(desktops: number, users: number): Operation[] {
  return OPERATIONS.flatMap((name) =>
    range(desktops).flatMap((desktop) =>
      range(NODES).flatMap((node) => range(users).map((user) => ({ name, desktop, node, user: user + 1 }))),
    ),
  ).filter(isOne)
}

/** What an operation does not look at does not make another one of it. */
function isOne({ name, desktop, node, user }: Operation): boolean {
  const looksAt: Record<Operation['name'], string> = {
    claim: 'u',
    leave: 'u',
    tend: '',
    start: 'dn',
    connect: 'du',
    stop: 'd',
    fail: 'd',
    remove: 'dn',
    'crash half-way': 'dn',
    confirm: 'dn',
    restart: 'n',
  }
  const what = looksAt[name]
  return (
    (what.includes('d') || desktop === 0) &&
    (what.includes('n') || node === 0) &&
    (what.includes('u') || user === 1)
  )
}

/** Claims count by their order, not by their numbers. */
function keyOf({ desktops, claims }: PoolWorld): string {
  return JSON.stringify([
    desktops,
    claims.toSorted((a, b) => a.number - b.number).map(({ userId }) => userId),
  ])
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}

function lcg(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
