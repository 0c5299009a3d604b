import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { Observable } from './observable.ts'

const { signal } = new AbortController()

test('listeners hear every later value, and only what differs', () => {
  const observable = new Observable(1)
  const heard: number[] = []
  observable.subscribe((value) => heard.push(value))
  for (const value of [1, 2, 2, 3, 1]) observable.set(value)
  expect(heard).toEqual([2, 3, 1])
  expect(observable.value).toBe(1)
})

test('a listener that left hears nothing more', () => {
  const observable = new Observable(1)
  const heard: number[] = []
  const stop = observable.subscribe((value) => heard.push(value))
  observable.set(2)
  stop()
  observable.set(3)
  expect(heard).toEqual([2])
})

test('a listener may leave while it is told, and the others are told all the same', () => {
  const observable = new Observable(1)
  const heard: string[] = []
  const stop = observable.subscribe(() => {
    heard.push('a')
    stop()
  })
  observable.subscribe(() => heard.push('b'))
  observable.set(2)
  observable.set(3)
  expect(heard).toEqual(['a', 'b', 'b'])
})

test('a value that is there already is not waited for', async () => {
  expect(await new Observable(5).until((value) => value > 4, signal)).toBe(5)
})

test('the first wanted value is the one that is brought, although another came at once', async () => {
  const observable = new Observable(1)
  const wanted = observable.until((value) => value > 2, signal)
  for (const value of [2, 3, 4, 0]) observable.set(value)
  expect(await wanted).toBe(3)
})

test('waiting ends with the reason of the signal', async () => {
  const abort = new AbortController()
  const wanted = new Observable(1).until(() => false, abort.signal)
  const reason = new Error('enough')
  abort.abort(reason)
  await expect(wanted).rejects.toBe(reason)
  await expect(new Observable(1).until(() => true, abort.signal)).rejects.toBe(reason)
})

test('nothing is left on the signal after waiting', async () => {
  const abort = new AbortController()
  const observable = new Observable(1)
  const wanted = observable.until((value) => value === 2, abort.signal)
  observable.set(2)
  await wanted
  expect(getEventListeners(abort.signal, 'abort')).toEqual([])
})
