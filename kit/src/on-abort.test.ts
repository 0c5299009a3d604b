import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { onAbort } from './on-abort.ts'

test('who waits for a signal is told its reason once, also when it came before', () => {
  const source = new AbortController()
  const heard: unknown[] = []
  using _waiting = onAbort(source.signal, (reason) => heard.push(reason))
  expect(heard).toEqual([])
  source.abort('why')
  using _late = onAbort(source.signal, (reason) => heard.push(['late', reason]))
  expect(heard).toEqual(['why', ['late', 'why']])
})

test('nothing hangs on a signal behind whoever has stopped waiting', () => {
  const source = new AbortController()
  const heard: unknown[] = []
  onAbort(source.signal, (reason) => heard.push(reason))[Symbol.dispose]()
  expect(getEventListeners(source.signal, 'abort')).toEqual([])
  source.abort()
  expect(heard).toEqual([])
})
