import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Rounds } from './rounds.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Rounds that last until they are let go. */
function rounds() {
  const open: PromiseWithResolvers<undefined>[] = []
  const errors: unknown[] = []
  const signals: AbortSignal[] = []
  const made = new Rounds({
    everyMs: 1_000,
    round: async (signal) => {
      signals.push(signal)
      const round = Promise.withResolvers<undefined>()
      open.push(round)
      await round.promise
    },
    onError: (error) => errors.push(error),
  })
  return { made, open, errors, signals }
}
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

test('the first round comes at once, others at the interval', async () => {
  const { made, open } = rounds()
  await settle()
  expect(open).toHaveLength(1)
  open[0]?.resolve(undefined)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(open).toHaveLength(2)
  open[1]?.resolve(undefined)
  await made[Symbol.asyncDispose]()
})

test('however many ask during a round, one more follows', async () => {
  const { made, open } = rounds()
  await settle()
  for (let n = 0; n < 5; n++) made.ask()
  await settle()
  expect(open).toHaveLength(1)
  open[0]?.resolve(undefined)
  await settle()
  expect(open).toHaveLength(2)
  open[1]?.resolve(undefined)
  await made[Symbol.asyncDispose]()
  expect(open).toHaveLength(2)
})

test('a round that fails is told of, and the next one comes', async () => {
  const { made, open, errors } = rounds()
  await settle()
  open[0]?.reject(new Error('no'))
  await settle()
  expect(errors).toEqual([new Error('no')])
  made.ask()
  await settle()
  expect(open).toHaveLength(2)
  open[1]?.resolve(undefined)
  await made[Symbol.asyncDispose]()
})

test('the end waits for the round under way, tells it, and no other begins', async () => {
  const { made, open, signals } = rounds()
  await settle()
  made.ask()
  let ended = false
  const end = made[Symbol.asyncDispose]().then(() => (ended = true))
  await settle()
  expect([ended, signals[0]?.aborted]).toEqual([false, true])
  open[0]?.resolve(undefined)
  await end
  made.ask()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(open).toHaveLength(1)
})
