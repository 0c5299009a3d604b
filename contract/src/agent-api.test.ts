import { describe, expect, test } from 'vitest'
import { agentApi, agentClient, type ProcedureName, watchApi } from './agent-api.ts'

const START = {
  display: 'nx',
  user: { name: 'ann' },
  client: {
    geometry: { width: 1024, height: 768 },
    fullscreen: false,
    link: 'adsl',
    keyboard: 'pc105/us',
    os: 'linux',
  },
} as const

const accepts = (input: unknown): boolean => agentApi.x_start.input.safeParse(input).success

describe('the input of x_start', () => {
  test('is accepted as the contract has it', () => {
    expect(accepts(START)).toBe(true)
  })

  test.each([
    '-rf',
    '../x',
    'root%n',
    '',
    'Ann',
    'a b',
    'a\n',
    'a\0',
    'a:b',
    'a/b',
    '1a',
    'ä',
    'x'.repeat(33),
  ])('refuses the account name %j', (name) => {
    expect(accepts({ ...START, user: { name } })).toBe(false)
  })

  test.each(['ann', '_ann', 'a-b_c9', 'x'.repeat(32)])('takes the account name %j', (name) => {
    expect(accepts({ ...START, user: { name } })).toBe(true)
  })

  test.each(
    ['link', 'keyboard', 'os'].flatMap((option) =>
      ['', 'a,b', 'a b', 'a\n', 'a\x1b', 'a\x7f', 'a=b', 'a:1', 'x'.repeat(65), 7].map((value) => ({
        option,
        value,
      })),
    ),
  )('refuses $option = $value', ({ option, value }) => {
    expect(accepts({ ...START, client: { ...START.client, [option]: value } })).toBe(false)
  })

  test.each([63, 16_385, 100.5, NaN, '100'])('refuses a width of %j', (width) => {
    expect(accepts({ ...START, client: { ...START.client, geometry: { width, height: 768 } } })).toBe(false)
  })

  test('refuses what it does not know, at every depth', () => {
    expect(accepts({ ...START, more: 1 })).toBe(false)
    expect(accepts({ ...START, user: { name: 'ann', uid: 0 } })).toBe(false)
    expect(accepts({ ...START, client: { ...START.client, command: 'sh' } })).toBe(false)
  })
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
      return { state: 'listening', userReadyMs: 1, displayReadyMs: 2, warnings: [] }
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

test('a watched event is a state and nothing else', () => {
  expect(watchApi.event.safeParse({ state: 'connected' }).success).toBe(true)
  expect(watchApi.event.safeParse({ state: 'connected', x: 1 }).success).toBe(false)
})
