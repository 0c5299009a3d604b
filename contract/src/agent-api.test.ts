import { describe, expect, test } from 'vitest'
import { agentApi, agentClient, type ProcedureName, watchApi } from './agent-api.ts'

const START = { display: 'nx' as const, parameters: { 'qvd.vm.user.name': 'ann', 'custom.color': 'ä, b' } }

const accepts = (input: unknown): boolean => agentApi.x_start.input.safeParse(input).success
const acceptsParameter = (name: string, value: unknown): boolean =>
  accepts({ ...START, parameters: { [name]: value } })

describe('the input of x_start', () => {
  test('is accepted as the contract has it', () => {
    expect(accepts(START)).toBe(true)
  })

  test.each(['', 'a b', 'a\n', 'a\0', 'a=b', 'a/b', 'ä', 'x'.repeat(129)])(
    'refuses the parameter name %j',
    (name) => {
      expect(acceptsParameter(name, '1')).toBe(false)
    },
  )

  test.each(['a\n', 'a\0', 'a\x1b', 'a\x7f', 'x'.repeat(4097), 7, null, {}, ['a']])(
    'refuses the value %j',
    (value) => {
      expect(acceptsParameter('custom.x', value)).toBe(false)
    },
  )

  test('takes an empty value, and one of another language', () => {
    expect(acceptsParameter('custom.x', '')).toBe(true)
    expect(acceptsParameter('custom.x', 'Größe 日本')).toBe(true)
  })

  test('refuses more than 300 parameters', () => {
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, '']))
    expect(accepts({ ...START, parameters: many(300) })).toBe(true)
    expect(accepts({ ...START, parameters: many(301) })).toBe(false)
  })

  test('refuses what it does not know', () => {
    expect(accepts({ ...START, more: 1 })).toBe(false)
    expect(accepts({ ...START, display: 'x11' })).toBe(false)
  })
})

test.each([
  ['2026-11-21 05:46:02', true],
  ['2026-11-21T05:46:02Z', true],
  ['2026-11-21T05:46:02.123+01:00', true],
  ['2026-11-21', false],
  ['tomorrow', false],
  ['2026-11-21 05:46; rm', false],
])('expire takes the time %s: %s', (soft, taken) => {
  expect(agentApi.expire.input.safeParse({ soft }).success).toBe(taken)
})

describe.each(Object.keys(agentApi) as ProcedureName[])('%s', (name) => {
  test('refuses an input with something extra', () => {
    expect(agentApi[name].input.safeParse({ extra: 1 }).success).toBe(false)
  })

  test('may be called by somebody, and never by another agent', () => {
    expect(agentApi[name].callers.length).toBeGreaterThan(0)
    expect(agentApi[name].callers).not.toContain('vma')
  })
})

describe('the client', () => {
  test('carries the call by its name and brings the answer', async () => {
    const calls: unknown[] = []
    const client = agentClient(async (procedure, body) => {
      calls.push([procedure, body])
      return { ready: true, state: 'listening', userReadyMs: 1, displayReadyMs: 2, warnings: [], hooks: [] }
    })
    expect((await client.x_start(START)).state).toBe('listening')
    expect(calls).toEqual([['x_start', START]])
  })

  test.each([{ state: 'sleeping' }, {}, null, 'suspended', { state: 'suspended', more: 1 }])(
    'refuses the answer %j',
    async (answer) => {
      await expect(agentClient(async () => answer).x_state({})).rejects.toThrow()
    },
  )

  test('passes the signal of the caller on', async () => {
    const abort = new AbortController()
    const ended = agentClient(
      (_, __, signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    ).ping({}, abort.signal)
    const reason = new Error('enough')
    abort.abort(reason)
    await expect(ended).rejects.toBe(reason)
  })

  test('passes a failure of the carrier on as it is', async () => {
    const failure = new Error('unreachable')
    await expect(agentClient(() => Promise.reject(failure)).ping({})).rejects.toBe(failure)
  })
})

test('a watched event is a state, a session and perhaps a hook', () => {
  const event = { state: 'connected', session: 1 }
  const hook = { hook: 'vma.on_state.connected', for: 'connected', exit: 0, ms: 3, text: '' }
  expect(watchApi.event.safeParse(event).success).toBe(true)
  expect(watchApi.event.safeParse({ ...event, hook }).success).toBe(true)
  expect(watchApi.event.safeParse({ ...event, x: 1 }).success).toBe(false)
})
