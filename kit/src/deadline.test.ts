import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { DeadlineExceeded, withDeadline } from './deadline.ts'

const never = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))

test('what was done in time is the result', async () => {
  expect(await withDeadline('work', 60_000, async () => 7)).toBe(7)
})

test('an error of the work is passed on', async () => {
  await expect(withDeadline('work', 60_000, () => Promise.reject(new RangeError('no')))).rejects.toThrow(
    RangeError,
  )
})

test('time that ran out names what was waited for', async () => {
  const error = await withDeadline('the agent', 5, never).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(DeadlineExceeded)
  expect(error).toMatchObject({ what: 'the agent', ms: 5, message: 'the agent took longer than 5 ms' })
})

test('work that does not heed its signal does not hold up the caller', async () => {
  await expect(withDeadline('work', 5, () => new Promise(() => {}))).rejects.toBeInstanceOf(DeadlineExceeded)
})

test('the signal of the work aborts with the deadline as its reason', async () => {
  let reason: unknown
  const work = (signal: AbortSignal) =>
    new Promise<void>((resolve) =>
      signal.addEventListener('abort', () => {
        reason = signal.reason
        resolve()
      }),
    )
  await withDeadline('work', 5, work).catch(() => {})
  expect(reason).toBeInstanceOf(DeadlineExceeded)
})

test('an outer signal ends the work with its own reason', async () => {
  const outer = new AbortController()
  const ended = withDeadline('work', 60_000, never, outer.signal)
  const reason = new Error('the user left')
  outer.abort(reason)
  await expect(ended).rejects.toBe(reason)
})

test('work does not begin when the outer signal has aborted', async () => {
  let began = false
  const work = async () => void (began = true)
  const reason = new Error('too late')
  await expect(withDeadline('work', 60_000, work, AbortSignal.abort(reason))).rejects.toBe(reason)
  expect(began).toBe(false)
})

test('nothing is left on the outer signal', async () => {
  const outer = new AbortController()
  await withDeadline('work', 60_000, async () => 1, outer.signal)
  await withDeadline('work', 60_000, () => Promise.reject(new Error('no')), outer.signal).catch(() => {})
  expect(getEventListeners(outer.signal, 'abort')).toEqual([])
})
