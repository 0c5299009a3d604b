import { expect, test } from 'vitest'
import { Batch } from './batch.ts'

test('what comes while a round is under way goes together in the next one, at most so many', async () => {
  const rounds: number[][] = []
  const batch = new Batch<number, number>(async (items) => {
    rounds.push([...items])
    await new Promise((resolve) => setTimeout(resolve, 5))
    return items.map((item) => item * 2)
  }, 3)
  const first = batch.add(1)
  await new Promise((resolve) => setTimeout(resolve, 1))
  const rest = [2, 3, 4, 5].map((item) => batch.add(item))
  expect(await Promise.all([first, ...rest])).toEqual([2, 4, 6, 8, 10])
  expect(rounds).toEqual([[1], [2, 3, 4], [5]])
})

test('one that fails fails alone', async () => {
  const rounds: number[][] = []
  const batch = new Batch<number, string>((items) => {
    rounds.push([...items])
    return items.includes(2) ? Promise.reject(new Error('two')) : Promise.resolve(items.map(String))
  }, 10)
  const results = await Promise.allSettled([1, 2, 3].map((item) => batch.add(item)))
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(rounds).toEqual([[1, 2, 3], [1], [2], [3]])
})
