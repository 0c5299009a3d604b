import { expect, test } from 'vitest'
import { Scope } from './scope.ts'

test('what was opened is closed in reverse order, each when the one before has ended', async () => {
  const closed: string[] = []
  const scope = new Scope()
  scope.defer(() => void closed.push('first'))
  scope.defer(async () => {
    await Promise.resolve(undefined)
    closed.push('second')
  })
  scope.own({ [Symbol.dispose]: () => void closed.push('third') })
  scope.own({ [Symbol.asyncDispose]: async () => void closed.push('fourth') })
  await scope.close()
  expect(closed).toEqual(['fourth', 'third', 'second', 'first'])
})

test('own hands back what it was given', () => {
  const resource = { [Symbol.dispose]: () => {} }
  expect(new Scope().own(resource)).toBe(resource)
})

test('closing again closes nothing again and waits for the first close', async () => {
  let times = 0
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const scope = new Scope()
  scope.defer(async () => {
    await promise
    times += 1
  })
  const both = Promise.all([scope.close(), scope.close()])
  expect(times).toBe(0)
  resolve(undefined)
  await both
  await scope.close()
  expect(times).toBe(1)
})

test('opening that fails half-way closes what was opened until then', async () => {
  const closed: string[] = []
  const open = async () => {
    await using scope = new Scope()
    scope.defer(() => void closed.push('first'))
    scope.defer(() => void closed.push('second'))
    throw new Error('the third could not be opened')
  }
  await expect(open()).rejects.toThrow('the third could not be opened')
  expect(closed).toEqual(['second', 'first'])
})

test('a closer that throws keeps no other from running, and the first error is told', async () => {
  const closed: string[] = []
  const scope = new Scope()
  scope.defer(() => void closed.push('first'))
  scope.defer(() => Promise.reject(new Error('later')))
  scope.defer(() => void closed.push('third'))
  scope.defer(() => {
    throw new Error('sooner')
  })
  await expect(scope.close()).rejects.toThrow('sooner')
  expect(closed).toEqual(['third', 'first'])
})

test('the signal aborts with the reason before anything is closed', async () => {
  const scope = new Scope()
  let seen: unknown
  scope.defer(() => void (seen = scope.signal.reason))
  expect(scope.signal.aborted).toBe(false)
  await scope.close('enough')
  expect(seen).toBe('enough')
})

test('what is deferred while the scope closes is closed too, and close waits for it', async () => {
  const closed: string[] = []
  const scope = new Scope()
  scope.defer(() => scope.defer(() => void closed.push('late')))
  void scope.close()
  scope.defer(() => void closed.push('later'))
  await scope.close()
  expect(closed.toSorted()).toEqual(['late', 'later'])
})

test('what is deferred after the close is closed', async () => {
  const scope = new Scope()
  await scope.close()
  let closed = false
  scope.defer(() => void (closed = true))
  await scope.close()
  expect(closed).toBe(true)
})
