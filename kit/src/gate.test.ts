import { expect, test } from 'vitest'
import { Gate } from './gate.ts'

/** Jobs that end when they are told to, and how many of them run. */
function jobs(gate: Gate) {
  const ends: (() => void)[] = []
  return {
    begin: (): Promise<void> =>
      gate.pass(
        () => new Promise<void>((resolve) => ends.push(resolve)),
        () => new Error('full'),
      ),
    /** Ends the job that has run longest. */
    end: (): void => ends.shift()?.(),
    running: async (): Promise<number> => {
      await new Promise((resolve) => setImmediate(resolve))
      return ends.length
    },
  }
}

test('so many jobs run, so many wait, and the next is turned away', async () => {
  const { begin, end, running } = jobs(new Gate(2, 1))
  const first = [begin(), begin(), begin()]
  expect(await running()).toBe(2)
  await expect(begin()).rejects.toThrow('full')
  for (const _ of first) {
    end()
    await running()
  }
  await Promise.all(first)
})

test('a wider gate lets those in who wait, a narrower one waits until enough have left', async () => {
  const gate = new Gate(1, 10)
  const { begin, end, running } = jobs(gate)
  const all = [begin(), begin(), begin(), begin(), begin()]
  expect(await running()).toBe(1)
  gate.width = 3
  expect(await running()).toBe(3)
  gate.width = 1
  end()
  end()
  expect(await running()).toBe(1)
  end()
  expect(await running()).toBe(1)
  end()
  expect(await running()).toBe(1)
  end()
  await Promise.all(all)
})

test('a job that fails gives its place back', async () => {
  const gate = new Gate(1, 10)
  await expect(
    gate.pass(
      () => Promise.reject(new Error('broken')),
      () => new Error('full'),
    ),
  ).rejects.toThrow('broken')
  expect(
    await gate.pass(
      () => Promise.resolve('well'),
      () => new Error('full'),
    ),
  ).toBe('well')
})
