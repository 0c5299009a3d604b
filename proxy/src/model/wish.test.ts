import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mergeWishes, ONE_TIME_WISHES, type Wish, WISH_KINDS, type WishKind } from './wish.ts'

function wish(kind: WishKind, number: number): Wish {
  return { kind, number, by: 'ann', reason: 'because', at: '2026-01-01T00:00:00Z' }
}

/** Some wishes, each with a number of its own. */
const wishes = fc
  .uniqueArray(fc.integer({ min: 1, max: 1_000 }), { maxLength: 12 })
  .chain((numbers) =>
    fc.tuple(...numbers.map((number) => fc.constantFrom(...WISH_KINDS).map((kind) => wish(kind, number)))),
  )

test('no wishes leave a desktop as it is', () => {
  expect(mergeWishes([])).toBeUndefined()
})

test.each([
  ['fence', 'down'],
  ['block', 'down'],
  ['stop', 'down'],
  ['expire', 'down'],
  ['run', 'up'],
  ['spare', 'up'],
] as const)('a wish to %s means %s', (kind, goal) => {
  expect(mergeWishes([wish(kind, 1)])).toEqual({ goal, wish: wish(kind, 1) })
})

test('the order in which wishes come in does not matter', () => {
  const shuffled = wishes.chain((list) =>
    fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
  )
  fc.assert(
    fc.property(shuffled, ([list, other]) => {
      expect(mergeWishes(other)).toEqual(mergeWishes(list))
    }),
  )
})

test('no wish has more precedence than the one that decided', () => {
  fc.assert(
    fc.property(wishes, (list) => {
      const decided = mergeWishes(list)?.wish
      const rank = (kind: WishKind | undefined) => WISH_KINDS.findIndex((candidate) => candidate === kind)
      expect(list.filter(({ kind }) => rank(kind) < rank(decided?.kind))).toEqual([])
      expect(decided === undefined).toBe(list.length === 0)
    }),
  )
})

test('among equals the newest speaks', () => {
  fc.assert(
    fc.property(wishes, (list) => {
      const decided = mergeWishes(list)?.wish
      const equals = list.filter(({ kind }) => kind === decided?.kind).map(({ number }) => number)
      expect(decided?.number).toBe(equals.length === 0 ? undefined : Math.max(...equals))
    }),
  )
})

test('merging leaves the wishes as they are', () => {
  const given = Object.freeze([wish('spare', 1), wish('fence', 2), wish('run', 3)])
  expect(mergeWishes(given)?.wish.kind).toBe('fence')
  expect(given.map(({ number }) => number)).toEqual([1, 2, 3])
})

test('every one-time wish has the goal under which it is listed', () => {
  for (const goal of ['up', 'down'] as const)
    for (const kind of ONE_TIME_WISHES[goal]) expect(mergeWishes([wish(kind, 1)])?.goal).toBe(goal)
})
