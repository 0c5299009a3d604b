import { silentLog } from '@ostler/kit/log.ts'
import { expect, test } from 'vitest'
import { Directories } from './directories.ts'
import type { DirectoryAddress } from './settings.ts'
import { DirectoryTrouble } from './trouble.ts'

const address = (host: string): DirectoryAddress => ({ uri: `ldap://${host}`, host, port: 389, tls: false })
const down = (): Promise<never> => Promise.reject(new DirectoryTrouble('is down', { isDown: true }))
const forever = new AbortController().signal

/** Three directories, of which some are in trouble; `asked` says in which order they were asked. */
function three(trouble: Readonly<Record<string, () => Promise<string>>>) {
  let now = 1_000_000
  const asked: string[] = []
  const clock = { now: () => now, sleep: () => Promise.resolve() }
  const options = { timeoutMs: 50, log: silentLog, clock }
  const directories = new Directories([address('a'), address('b'), address('c')], options)
  const ask = async (): Promise<string> => {
    asked.length = 0
    return await directories.ask(({ host }) => {
      asked.push(host)
      return trouble[host]?.() ?? Promise.resolve(host)
    }, forever)
  }
  return { ask, asked, pass: (ms: number) => (now += ms) }
}

test('they are asked in order, and the first answer is the answer', async () => {
  const { ask, asked } = three({})
  expect(await ask()).toBe('a')
  expect(asked).toEqual(['a'])
})

test('one in trouble comes last for five seconds', async () => {
  const trouble: Record<string, () => Promise<string>> = { a: down }
  const { ask, asked, pass } = three(trouble)
  expect(await ask()).toBe('b')
  expect(asked).toEqual(['a', 'b'])
  await ask()
  expect(asked).toEqual(['b'])
  pass(5_000)
  await ask()
  expect(asked).toEqual(['a', 'b'])
  delete trouble['a']
  pass(5_000)
  expect(await ask()).toBe('a')
})

test('when all were in trouble all are asked again, the longest ago first', async () => {
  const trouble: Record<string, () => Promise<string>> = { a: down, b: down, c: down }
  const { ask, asked, pass } = three(trouble)
  await expect(ask()).rejects.toMatchObject({ code: 'auth.unavailable' })
  delete trouble['c']
  pass(1)
  expect(await ask()).toBe('c')
  expect(asked).toEqual(['a', 'b', 'c'])
})

test('trouble with the question alone sends it on, and nobody is down for it', async () => {
  const { ask, asked } = three({
    a: () => Promise.reject(new DirectoryTrouble('cannot', { isDown: false })),
  })
  for (let round = 0; round < 2; round++) {
    expect(await ask()).toBe('b')
    expect(asked).toEqual(['a', 'b'])
  }
})

test('one that says nothing is in trouble when its time is over', async () => {
  const { ask, asked } = three({ a: () => new Promise(() => {}) })
  expect(await ask()).toBe('b')
  await ask()
  expect(asked).toEqual(['b'])
})

test('an error that is no trouble of a directory ends it at once', async () => {
  const { ask, asked } = three({ a: () => Promise.reject(new Error('ours')) })
  await expect(ask()).rejects.toThrow('ours')
  expect(asked).toEqual(['a'])
})
