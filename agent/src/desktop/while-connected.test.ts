import type { SessionEvent } from '@ostler/contract/agent-api.ts'
import { Observable } from '@ostler/kit/observable.ts'
import { expect, test, vi } from 'vitest'
import { WhileConnected } from './while-connected.ts'

function follow(first: SessionEvent['state'] = 'stopped') {
  const news = new Observable<SessionEvent>({ state: first, session: 1 })
  const did: string[] = []
  let held: PromiseWithResolvers<void> | undefined
  const following = new WhileConnected(news, {
    begin: async (signal) => {
      did.push('begin')
      signal.addEventListener('abort', () => did.push('given up'))
      await held?.promise
      signal.throwIfAborted()
    },
    end: async () => {
      did.push('end')
      await held?.promise
    },
    complain: (error) => did.push(String(error)),
  })
  return {
    did,
    following,
    become: (state: SessionEvent['state']) => news.set({ state, session: 1 }),
    hold: () => {
      held = Promise.withResolvers()
      return () => held?.resolve()
    },
  }
}

test('an agent that starts looks at once: at a client that is there, and at what was left when there is none', async () => {
  const [alone, together] = [follow(), follow('connected')]
  await vi.waitFor(() => expect(alone.did).toEqual(['end']))
  await vi.waitFor(() => expect(together.did).toEqual(['begin']))
})

test('states in between change nothing', async () => {
  const { did, become } = follow()
  for (const state of ['starting', 'listening', 'connected', 'suspending', 'suspended'] as const) {
    become(state)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(did).toEqual(['end', 'begin', 'given up', 'end'])
})

test('one after the other, and of what was overtaken only the last', async () => {
  const { did, become, hold } = follow()
  await vi.waitFor(() => expect(did).toEqual(['end']))
  const release = hold()
  for (const state of ['connected', 'suspended', 'connected'] as const) become(state)
  release()
  await vi.waitFor(() => expect(did).toEqual(['end', 'begin']))
  expect(did).not.toContain('AbortError')
})

test('disposal leaves a connected client as she is, and waits for the end of what she has left', async () => {
  const connected = follow('connected')
  await vi.waitFor(() => expect(connected.did).toEqual(['begin']))
  await connected.following[Symbol.asyncDispose]()
  expect(connected.did).not.toContain('end')

  const left = follow('connected')
  await vi.waitFor(() => expect(left.did).toEqual(['begin']))
  left.become('stopped')
  await left.following[Symbol.asyncDispose]()
  expect(left.did.at(-1)).toBe('end')
})
