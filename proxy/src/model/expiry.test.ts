import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expiryStep } from './expiry.ts'

const HOUR = 3_600_000

describe('C-117', () => {
  test('without times nothing is due, ever', () => {
    const facts = { softInMs: null, hardInMs: null, toldAgoMs: null }
    expect(expiryStep(facts, HOUR)).toEqual({ due: undefined, lookInMs: Infinity })
  })

  test('before its soft time a desktop is left alone until then', () => {
    const facts = { softInMs: 5_000, hardInMs: 9_000, toldAgoMs: null }
    expect(expiryStep(facts, HOUR)).toEqual({ due: undefined, lookInMs: 5_000 })
  })

  test('at its soft time the user is told, and again every hour', () => {
    expect(expiryStep({ softInMs: -1, hardInMs: null, toldAgoMs: null }, HOUR)).toEqual({
      due: 'tell',
      lookInMs: HOUR,
    })
    expect(expiryStep({ softInMs: -HOUR / 2, hardInMs: null, toldAgoMs: HOUR / 2 }, HOUR)).toEqual({
      due: undefined,
      lookInMs: HOUR / 2,
    })
    expect(expiryStep({ softInMs: -HOUR, hardInMs: null, toldAgoMs: HOUR }, HOUR).due).toBe('tell')
  })

  test('a notice does not put off the end', () => {
    expect(expiryStep({ softInMs: -1, hardInMs: 7_000, toldAgoMs: null }, HOUR)).toEqual({
      due: 'tell',
      lookInMs: 7_000,
    })
    expect(expiryStep({ softInMs: -9, hardInMs: 7_000, toldAgoMs: 5 }, HOUR).lookInMs).toBe(7_000)
  })

  test('at its hard time it is ended, told or not', () => {
    for (const toldAgoMs of [null, 0, HOUR])
      expect(expiryStep({ softInMs: null, hardInMs: 0, toldAgoMs }, HOUR).due).toBe('end')
    expect(expiryStep({ softInMs: 9_000, hardInMs: -1, toldAgoMs: null }, HOUR).due).toBe('end')
  })
})

test('whoever looks when told to never misses a time', () => {
  const time = fc.option(fc.integer({ min: -1_000, max: 100_000 }))
  fc.assert(
    fc.property(time, time, fc.integer({ min: 1, max: 20_000 }), (softInMs, hardInMs, remindMs) => {
      let [now, toldAt]: [number, number | null] = [0, null]
      for (let looks = 0; looks < 500; looks++) {
        const at = (ms: number | null): number | null => (ms === null ? null : ms - now)
        const facts = {
          softInMs: at(softInMs),
          hardInMs: at(hardInMs),
          toldAgoMs: toldAt === null ? null : now - toldAt,
        }
        const { due, lookInMs } = expiryStep(facts, remindMs)
        expect(lookInMs).toBeGreaterThan(0)
        if (due === 'end') return void expect(now).toBe(Math.max(hardInMs ?? NaN, 0))
        if (due === 'tell') {
          expect(now).toBe(toldAt === null ? Math.max(softInMs ?? NaN, 0) : toldAt + remindMs)
          toldAt = now
        }
        if (lookInMs === Infinity) return void expect([softInMs, hardInMs]).toEqual([null, null])
        now += lookInMs
      }
    }),
  )
})
