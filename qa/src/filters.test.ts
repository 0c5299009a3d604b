import { Fault } from '@ostler/contract/fault.ts'
import { describe, expect, test } from 'vitest'
import type { ApiClient } from './api-client.ts'
import { runCommand } from './commands.ts'

const DESKTOPS = [
  {
    ...{ id: 7, name: 'desk', user: 'ann', tenant: 'acme', osf: 'office', state: 'running', host: 'one' },
    ...{
      address: '10.3.15.9',
      blocked: true,
      user_state: 'connected',
      di_tag: 'head',
      di: 'old',
      di_next: 'new',
    },
    ...{
      expire_soft: null,
      expire_hard: '2026-03-01T10:00:00.000Z',
      agent: null,
      failures: 0,
      fault: 'a "b",\nc',
    },
  },
]

/** Runs a command against an api with one desktop; `answer` is what a person says to a question. */
async function qa(words: readonly string[], answer?: boolean, failures: unknown[] = []) {
  const [calls, lines, questions]: [unknown[], string[], string[]] = [[], [], []]
  const api: ApiClient = {
    get: async (path) => (calls.push(path), DESKTOPS),
    post: async (path, body) => {
      calls.push([path, body])
      return path.endsWith('/bulk') ? { names: ['a', 'b', 'c'], token: 't' } : { done: 3, failures }
    },
    patch: async (path, body) => (calls.push([path, body]), {}),
    delete: async (path) => (calls.push(path), {}),
    watch: async (path, onEvent) => {
      calls.push(path)
      if (calls.length > 1) throw new Fault('client.unreachable', { host: 'x', port: 'api', reason: 'over' })
      for (const row of DESKTOPS) onEvent('row', row)
      onEvent('ready', {})
      onEvent('row', { ...DESKTOPS[0], state: 'stopped' })
      onEvent('gone', { id: 7 })
    },
  }
  const confirm = async (question: string) => (questions.push(question), answer === true)
  const out = {
    print: (line: string) => void lines.push(line),
    readInput: async () => '',
    ...(answer === undefined ? {} : { confirm }),
  }
  const failed = await runCommand(words, api, out).then(
    () => undefined,
    (error: unknown) => error,
  )
  return { calls, lines, questions, failed }
}

describe('C-124: qa vm list', () => {
  const TITLES = [
    ...['Id', 'Name', 'User', 'RealUser', 'Ip', 'OSF', 'DI_Tag', 'DI', 'Running DI', 'Host', 'State', 'L7R'],
    ...['UserState', 'Blocked', 'Expire soft', 'Expire hard'],
  ]
  const cellsOf = (line = ''): string[] => line.split(' | ').map((cell) => cell.trim())

  test('prints the 16 columns in order, with - for nothing', async () => {
    const { calls, lines } = await qa(['vm', 'list'])
    expect(calls).toEqual(['/v1/desktops'])
    expect(cellsOf(lines[0])).toEqual(TITLES)
    expect(lines[1]).toMatch(/^-+(\+-+){15}$/)
    expect(cellsOf(lines[2]).slice(0, 15)).toEqual([
      ...['7', 'desk', 'ann', '-', '10.3.15.9', 'office', 'head', 'new', 'old', 'one', 'running', '-'],
      ...['connected', '1', '-'],
    ])
    expect(cellsOf(lines[2])[15]).toMatch(/^2026-0[23]-\d\d \d\d:00:00$/)
  })

  test('prints rows only with -q', async () => {
    const { lines } = await qa(['vm', 'list', '-q'])
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^7 \| desk \| ann/)
  })

  test('asks the api for what a filter finds, in an order, wherever the options stand', async () => {
    const expected = '/v1/desktops?filter=user%3Dal*%2Cstate%3Drunning&sort=-name&limit=5'
    for (const words of [
      ['vm', 'list', '-f', 'user=al*,state=running', '--sort=-name', '--limit', '5'],
      ['-F', 'user=al*,state=running', '--limit=5', '--sort', '-name', 'vm', 'list'],
      ['--filter=user=al*,state=running', 'vm', '--sort=-name', 'list', '--limit=5'],
    ])
      expect((await qa(words)).calls).toEqual([expected])
  })

  test('prints JSON and CSV, whatever stands in a cell', async () => {
    const json = await qa(['vm', 'list', '--json', '--columns=name,fault'])
    expect(JSON.parse(json.lines.join('\n'))).toEqual([{ name: 'desk', fault: 'a "b",\nc' }])
    const { lines } = await qa(['vm', 'list', '--csv', '--columns=id,fault,host'])
    expect(lines).toEqual(['id,fault,host', '7,"a ""b"",?c",one'])
    expect((await qa(['vm', 'list', '--columns=nothing'])).failed).toMatchObject({ code: 'client.choice' })
  })

  test('goes on printing what changes with --watch', async () => {
    const { calls, lines, failed } = await qa([
      'vm',
      'list',
      '--watch',
      '-f',
      'name=desk',
      '--columns=name,state',
    ])
    expect(calls[0]).toBe('/v1/desktops?filter=name%3Ddesk')
    expect(lines).toEqual(['name  state', 'desk  running', 'desk  stopped', '7 is gone'])
    expect(failed).toMatchObject({ code: 'client.unreachable' })
  })
})

describe('C-125: an action by filter', () => {
  test('is done to all that it finds, and to no others', async () => {
    const filter = 'name=a*,state=running'
    const { calls, lines } = await qa(['-f', filter, 'vm', 'stop'])
    expect(calls).toEqual([
      ['/v1/desktops/bulk', { filter }],
      ['/v1/desktops/bulk/stop', { filter, token: 't' }],
    ])
    expect(lines).toEqual(['Stopped 3 VMs.'])
  })

  test('is asked about where there is no filter, unless it is forced', async () => {
    const no = await qa(['vm', 'stop'], false)
    expect(no.questions).toEqual(['Are you sure you want to stop all 3 VMs? [y/N] '])
    expect(no.calls).toEqual([['/v1/desktops/bulk', { filter: '' }]])
    expect(no.lines).toEqual(['Aborted.'])
    expect((await qa(['vm', 'stop'], true)).lines).toEqual(['Stopped 3 VMs.'])
    const forced = await qa(['vm', 'stop', '--force'])
    expect([forced.lines, forced.questions]).toEqual([['Stopped 3 VMs.'], []])
    // Nobody is there to be asked.
    const { calls, failed } = await qa(['vm', 'stop'])
    expect([calls, failed]).toEqual([[], expect.objectContaining({ code: 'client.choice' })])
  })

  test.each([
    ['start', 'start', 'Started 3 VMs.'],
    ['reset', 'reset', 'Reset 3 VMs.'],
    ['disconnect_user', 'disconnect', 'Disconnected 3 users.'],
    ['block', 'block', 'Blocked 3 VMs.'],
    ['unblock', 'unblock', 'Unblocked 3 VMs.'],
    ['del', 'del', '3 VMs deleted.'],
  ])('vm %s', async (word, action, said) => {
    const { calls, lines } = await qa(['vm', word, '-f', 'id>3'])
    expect(calls).toEqual([
      ['/v1/desktops/bulk', { filter: 'id>3' }],
      [`/v1/desktops/bulk/${action}`, { filter: 'id>3', token: 't' }],
    ])
    expect(lines).toEqual([said])
  })

  test('changes columns of many', async () => {
    const { calls, lines } = await qa(['vm', 'edit', '-f', 'osf=office', 'di_tag=head', 'expire-soft='])
    const change = { di_tag: 'head', 'expire-soft': '' }
    expect(calls[1]).toEqual(['/v1/desktops/bulk/edit', { filter: 'osf=office', token: 't', change }])
    expect(lines).toEqual(['Edited 3 VMs.'])
  })

  test('of users is of those of one tenant with -t', async () => {
    const { calls, lines } = await qa(['-t', 'acme', 'user', 'block', '-f', 'login=a*'])
    expect(calls[0]).toEqual(['/v1/users/bulk', { filter: 'login=a*,tenant=acme' }])
    expect(lines).toEqual(['Blocked 3 users.'])
  })

  test('fails when one is left as it was, and says which and why', async () => {
    const left = { name: 'b', fault: 'object.inUse', text: 'it runs' }
    const { lines, failed } = await qa(['vm', 'del', '-f', 'id>3'], undefined, [left])
    expect(lines).toEqual(['b: it runs', '3 VMs deleted.'])
    expect(failed).toMatchObject({ code: 'bulk.partial' })
    expect((await qa(['vm', 'del', '-q', '-f', 'id>3'])).lines).toEqual([])
  })
})

test('qa vm counters prints totals, a blank line, and each desktop', async () => {
  const rows = [
    { id: 1, name: 'a', running: true, blocked: false, run_attempts: 3, run_ok: 2 },
    { id: 2, name: 'b', running: false, blocked: true, run_attempts: 0, run_ok: 0 },
  ]
  const lines: string[] = []
  const get = async (path: string) => (lines.push(path), rows)
  const never = (): Promise<never> => Promise.reject(new Error('not asked'))
  const api: ApiClient = { get, post: never, patch: never, delete: never, watch: never }
  const out = { print: (line: string) => void lines.push(line), readInput: async () => '' }
  await runCommand(['vm', 'counters', '-f', 'name=*'], api, out)
  expect(lines).toEqual([
    '/v1/counters/desktops?filter=name%3D*',
    'Virtual machines | Running | Blocked',
    '-----------------+---------+--------',
    '2                | 1       | 1',
    '',
    'Id | Name | Run attempts | Run OK',
    '---+------+--------------+-------',
    '1  | a    | 3            | 2',
    '2  | b    | 0            | 0',
  ])
})
