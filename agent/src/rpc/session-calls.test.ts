import { agentApi, type Output } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { SessionState } from '@ostler/contract/session.ts'
import { DeadlineExceeded } from '@ostler/kit/deadline.ts'
import { Observable } from '@ostler/kit/observable.ts'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { loadAgentConfig } from '../config/load.ts'
import type { DesktopSession } from '../desktop/desktop-session.ts'
import type { SessionRequest } from '../desktop/request.ts'
import type { Opened } from '../desktop/session.ts'
import { sessionCalls } from './session-calls.ts'

const CONFIG = loadAgentConfig({ own: '/no/such/file', qvd: '/no/such/file' }).values
const OPENED: Opened = {
  state: 'listening',
  userReadyMs: 12,
  displayReadyMs: 345,
  warnings: ['the group x does not exist in this desktop'],
  hooks: [{ hook: 'vma.on_action.connect', for: 'connect', exit: 0, ms: 7, text: '' }],
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A session that says what it is told to say, and notes what it is asked for. */
function session(settings: { ready?: Promise<Opened>; state?: SessionState } = {}) {
  const { ready = Promise.resolve(OPENED), state = 'starting' } = settings
  const asked: (string | SessionRequest)[] = []
  const answer = (what: string, state: SessionState): Promise<SessionState> => {
    asked.push(what)
    return Promise.resolve(state)
  }
  const standIn: DesktopSession = {
    news: new Observable({ state, session: 1 }),
    state,
    account: undefined,
    recover: () => {},
    look: () => state,
    start: (request) => {
      asked.push(request)
      return { accepted: Promise.resolve(), ready }
    },
    suspend: () => answer('suspend', 'suspended'),
    stop: () => answer('stop', 'stopped'),
    halt: () => Promise.resolve(),
    tellHook: () => {},
    release: () => {},
  }
  return { asked, calls: sessionCalls(standIn, () => CONFIG) }
}

const START = { display: 'nx', parameters: { 'qvd.vm.user.name': 'ann' } } as const

function isOfTheContract(answer: Output<'x_start'>): boolean {
  return agentApi.x_start.output.safeParse(answer).success
}

describe('x_start', () => {
  test('asks for the session that the parameters describe, and answers when it can be seen', async () => {
    const { asked, calls } = session()
    const answer = await calls.x_start({ ...START, display: 'rfb' })
    expect(asked).toMatchObject([{ display: 'rfb', user: { name: 'ann', home: '/home/ann' } }])
    expect(answer).toEqual({ ...OPENED, ready: true })
    expect(isOfTheContract(answer)).toBe(true)
  })

  test('answers after 20 s how far it is, and the session goes on', async () => {
    const opening = Promise.withResolvers<Opened>()
    const { asked, calls } = session({ ready: opening.promise, state: 'provisioning' })
    const answer = calls.x_start(START)
    await vi.advanceTimersByTimeAsync(19_999)
    expect(await Promise.race([answer, Promise.resolve('waits')])).toBe('waits')
    await vi.advanceTimersByTimeAsync(1)
    expect(await answer).toEqual({
      ready: false,
      state: 'provisioning',
      userReadyMs: 20_000,
      displayReadyMs: 20_000,
      warnings: [],
      hooks: [],
    })
    expect(isOfTheContract(await answer)).toBe(true)
    const again = calls.x_start(START)
    opening.resolve(OPENED)
    expect((await again).ready).toBe(true)
    expect(asked).toHaveLength(2)
  })

  test('that fails after we have answered harms nobody', async () => {
    const opening = Promise.withResolvers<Opened>()
    const { calls } = session({ ready: opening.promise })
    const answer = calls.x_start(START)
    await vi.advanceTimersByTimeAsync(20_000)
    expect((await answer).ready).toBe(false)
    opening.reject(new Fault('session.failed', { reason: 'nxagent ended' }))
    await vi.advanceTimersByTimeAsync(1)
  })

  test('that fails tells why, also when a deadline inside of it was the reason', async () => {
    const fault = new Fault('hook.failed', { file: '/hook', name: 'connect', rc: 1, said: 'no' })
    await expect(session({ ready: Promise.reject(fault) }).calls.x_start(START)).rejects.toBe(fault)
    const late = new DeadlineExceeded('initiating the X session', 20_000)
    await expect(session({ ready: Promise.reject(late) }).calls.x_start(START)).rejects.toBe(late)
  })

  test('that was overtaken by one of a newer seat is refused, and asks for nothing', async () => {
    const { asked, calls } = session()
    for (const seat of [3, 3, 7])
      expect(await calls.x_start({ ...START, seat })).toMatchObject({ ready: true })
    await expect(calls.x_start({ ...START, seat: 6 })).rejects.toMatchObject({ code: 'desktop.moved' })
    expect(await calls.x_start(START)).toMatchObject({ ready: true })
    expect(asked).toHaveLength(4)
  })

  test('with a parameter that cannot be used asks for nothing', async () => {
    const { asked, calls } = session()
    await expect(
      calls.x_start({ ...START, parameters: { 'qvd.vm.user.name': '../root' } }),
    ).rejects.toMatchObject({
      code: 'session.parameter',
    })
    expect(asked).toEqual([])
  })

  test('tells twenty warnings of 500 characters and no more: the caller would take no larger answer', async () => {
    const warnings = Array.from({ length: 30 }, () => 'x'.repeat(1_000))
    const answer = await session({ ready: Promise.resolve({ ...OPENED, warnings }) }).calls.x_start(START)
    expect(answer.warnings).toEqual(Array.from({ length: 20 }, () => 'x'.repeat(500)))
    expect(isOfTheContract(answer)).toBe(true)
  })
})

test('x_state looks before it tells', async () => {
  expect(await session({ state: 'suspended' }).calls.x_state({})).toEqual({ state: 'suspended' })
})

test('x_suspend and x_stop answer with the state that they have led to', async () => {
  const { asked, calls } = session({ state: 'connected' })
  expect(await calls.x_suspend({})).toEqual({ state: 'suspended' })
  expect(await calls.x_stop({})).toEqual({ state: 'stopped' })
  expect(asked).toEqual(['suspend', 'stop'])
})
