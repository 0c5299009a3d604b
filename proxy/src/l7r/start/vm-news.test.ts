import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { VmNews } from './vm-news.ts'

const LONG = 600_000
const { signal } = new AbortController()

/** Says after a while whether a promise has settled. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  void promise.then(() => (done = true))
  for (let i = 0; i < 5; i++) await turn()
  return done
}

test('news of a desktop wake those who wait for it, and nobody else', async () => {
  const news = new VmNews()
  const waits = [1, 1, 2].map((id) => news.listen(id, LONG, signal).next())
  news.announce(1)
  expect(await Promise.all(waits.map(settled))).toEqual([true, true, false])
  news.announce(2)
})

test('news without a number wake everyone', async () => {
  const news = new VmNews()
  const waits = [1, 2].map((id) => news.listen(id, LONG, signal).next())
  news.announce(undefined)
  expect(await Promise.all(waits.map(settled))).toEqual([true, true])
})

test('what is announced before the wait begins is not missed, and counts once', async () => {
  const news = new VmNews()
  using listener = news.listen(1, LONG, signal)
  news.announce(1)
  news.announce(1)
  expect(await settled(listener.next())).toBe(true)
  const second = listener.next()
  expect(await settled(second)).toBe(false)
  news.announce(1)
  await second
})

test('where the hint was lost the tick wakes', async () => {
  await expect(new VmNews().listen(1, 1, signal).next()).resolves.toBeUndefined()
})

test('waiting ends with the reason of the signal', async () => {
  const abort = new AbortController()
  const wait = new VmNews().listen(1, 20, abort.signal).next()
  const reason = new Error('the client left')
  abort.abort(reason)
  await expect(wait).rejects.toBe(reason)
  await expect(new VmNews().listen(1, 20, abort.signal).next()).rejects.toBe(reason)
})

test('whoever left is not woken, and the others are', async () => {
  const news = new VmNews()
  const left = news.listen(1, LONG, signal)
  using stays = news.listen(1, LONG, signal)
  left[Symbol.dispose]()
  news.announce(1)
  expect(await settled(stays.next())).toBe(true)
})
