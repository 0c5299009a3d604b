import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  OVERDUE_EVERY,
  OVERDUE_MS,
  type QueuedWish,
  startOrder,
  startPlaces,
  type StartQueue,
  type WaitingDesktop,
} from './start-queue.ts'
import type { WishKind } from './wish.ts'

function waiting(
  vmId: number,
  userId: number,
  wish: Partial<QueuedWish> = {},
  held: string | null = null,
): WaitingDesktop {
  return {
    vmId,
    userId,
    held,
    wishes: [{ number: vmId, kind: 'run', interactive: true, waitedMs: 0, ...wish }],
  }
}

function queue(...desktops: WaitingDesktop[]): StartQueue {
  return { waiting: desktops, startingUsers: [], starts: 0, free: 0 }
}

const KINDS: readonly WishKind[] = ['run', 'spare', 'stop', 'expire', 'block', 'fence']

const anyWish = fc.record({
  number: fc.nat(10_000),
  kind: fc.constantFrom(...KINDS, 'run', 'run', 'run'),
  interactive: fc.boolean(),
  waitedMs: fc.nat(2 * OVERDUE_MS),
})
const anyQueue: fc.Arbitrary<StartQueue> = fc.record({
  waiting: fc.uniqueArray(
    fc.record({
      vmId: fc.integer({ min: 1, max: 60 }),
      userId: fc.integer({ min: 1, max: 6 }),
      held: fc.constantFrom(null, null, null, 'its image is being unpacked'),
      wishes: fc.array(anyWish, { minLength: 1, maxLength: 4 }),
    }),
    { selector: ({ vmId }) => vmId, maxLength: 40 },
  ),
  startingUsers: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 6 }),
  starts: fc.nat(1_000),
  free: fc.nat(6),
})

describe('for every queue', () => {
  test('the order names each desktop that can start once, and no other', () => {
    fc.assert(
      fc.property(anyQueue, (given) => {
        const able = given.waiting.filter(
          ({ held, wishes }) =>
            held === null && wishes.every(({ kind }) => kind === 'run' || kind === 'spare'),
        )
        expect(startOrder(given).toSorted((a, b) => a - b)).toEqual(
          able.map(({ vmId }) => vmId).toSorted((a, b) => a - b),
        )
      }),
    )
  })

  test('the order depends neither on the order of the rows nor on anything between two calls', () => {
    const shuffled = anyQueue.chain((given) =>
      fc.tuple(
        fc.constant(given),
        fc.shuffledSubarray([...given.waiting], { minLength: given.waiting.length }),
      ),
    )
    // Numbers of wishes are unique in the table.
    const unique = ({ waiting }: StartQueue): boolean => {
      const numbers = waiting.flatMap(({ wishes }) => wishes.map(({ number }) => number))
      return new Set(numbers).size === numbers.length
    }
    fc.assert(
      fc.property(shuffled, ([given, other]) => {
        fc.pre(unique(given))
        expect(startOrder({ ...given, waiting: other })).toEqual(startOrder(given))
      }),
    )
  })

  test('positions count from 1 without gaps behind those who start at once; who is held is told why', () => {
    fc.assert(
      fc.property(anyQueue, (given) => {
        const places = startPlaces(given)
        const order = startOrder(given)
        expect(order.slice(0, given.free).filter((vmId) => places.has(vmId))).toEqual([])
        expect(order.slice(given.free).map((vmId) => places.get(vmId))).toEqual(
          order.slice(given.free).map((_, index) => ({ kind: 'queued', position: index + 1 })),
        )
        for (const { vmId, held } of given.waiting)
          if (held !== null) expect(places.get(vmId)).toEqual({ kind: 'held', reason: held })
      }),
    )
  })

  test('nobody starves: an overdue desktop with m longer overdue waits for 4 (m + 1) starts at most', () => {
    const arrivals = fc.array(
      fc.array(fc.record({ userId: fc.nat(50), interactive: fc.boolean() }), { maxLength: 4 }),
      { minLength: 1, maxLength: 60 },
    )
    fc.assert(
      fc.property(arrivals, fc.nat(100), fc.nat(20), (script, began, before) => {
        // Those who wait at the beginning are overdue; whoever comes is younger and comes as she likes.
        let desktops = Array.from({ length: before + 1 }, (_, index) =>
          waiting(index + 1, 1, { interactive: false, waitedMs: OVERDUE_MS }),
        )
        const last = before + 1
        let number = last
        let starts = began
        const bound = OVERDUE_EVERY * (before + 1)
        for (let step = 0; step < bound; step++) {
          for (const { userId, interactive } of script[step % script.length] ?? [])
            desktops.push(waiting(++number, userId + 2, { interactive }))
          const [first] = startOrder({ ...queue(...desktops), starts })
          desktops = desktops.filter(({ vmId }) => vmId !== first)
          starts += 1
          if (first === last) return
        }
        throw new Error(`still waiting after ${bound} starts`)
      }),
    )
  })

  test('a user with many desktops keeps nobody waiting: whoever has none starting comes after at most one of hers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 8 }), (many, others) => {
        const crowd = Array.from({ length: many }, (_, index) => waiting(index + 1, 1))
        const rest = Array.from({ length: others }, (_, index) => waiting(100 + index, 2 + index))
        const order = startOrder(queue(...crowd, ...rest))
        expect(order.slice(0, others + 1).filter((vmId) => vmId < 100)).toEqual([1])
      }),
    )
  })

  test('when the first has started, the rest stand as before', () => {
    const users = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 500 }), fc.nat(5)), {
      selector: ([vmId]) => vmId,
      minLength: 2,
      maxLength: 30,
    })
    fc.assert(
      fc.property(users, fc.nat(100), (list, starts) => {
        const given = { ...queue(...list.map(([vmId, userId]) => waiting(vmId, userId))), starts }
        const [first, ...rest] = startOrder(given)
        const started = given.waiting.find(({ vmId }) => vmId === first)
        const after = {
          ...given,
          waiting: given.waiting.filter(({ vmId }) => vmId !== first),
          startingUsers: [started?.userId ?? 0],
          starts: starts + 1,
        }
        expect(startOrder(after)).toEqual(rest)
      }),
    )
  })
})

describe('one by one', () => {
  test('users take turns, whoever came first begins', () => {
    const order = startOrder(queue(waiting(1, 1), waiting(2, 1), waiting(3, 1), waiting(4, 2), waiting(5, 3)))
    expect(order).toEqual([1, 4, 5, 2, 3])
  })

  test('a user whose other desktop is starting comes behind those who have none', () => {
    expect(startOrder({ ...queue(waiting(1, 1), waiting(2, 2)), startingUsers: [1] })).toEqual([2, 1])
  })

  test('a start for which a user waits comes before one by an administrator, and a spare one', () => {
    const order = startOrder(
      queue(
        waiting(1, 1, { interactive: false }),
        waiting(2, 2, { kind: 'spare', interactive: false }),
        waiting(3, 3),
      ),
    )
    expect(order).toEqual([3, 1, 2])
  })

  test('one for which both wait counts as by a user, as old as the older wish', () => {
    const both = waiting(9, 1, { number: 1, interactive: false })
    const wishes = [...both.wishes, { number: 9, kind: 'run', interactive: true, waitedMs: 0 } as const]
    expect(startOrder(queue(waiting(2, 2), { ...both, wishes }))).toEqual([9, 2])
  })

  test('every fourth start is for whoever is overdue longest', () => {
    const overdue = { interactive: false, waitedMs: OVERDUE_MS }
    const users = [10, 11, 12, 13, 14].map((vmId) => waiting(vmId, vmId))
    const given = queue(waiting(1, 1, overdue), waiting(2, 1, overdue), ...users)
    expect(startOrder(given)).toEqual([10, 11, 12, 1, 13, 14, 2])
    expect(startOrder({ ...given, starts: 2 })).toEqual([10, 1, 11, 12, 13, 2, 14])
  })

  test('one that is held is passed, and one that is wished down does not wait', () => {
    expect(
      startOrder(queue(waiting(1, 1, {}, 'its image'), waiting(2, 1, { kind: 'stop' }), waiting(3, 1))),
    ).toEqual([3])
  })
})
