import { Fault } from '@ostler/contract/fault.ts'
import { expect, test } from 'vitest'
import type { ApiClient } from './api-client.ts'
import { runCommand } from './commands.ts'

/** Runs a command against an api that answers as given; tells what was asked and printed. */
async function qa(words: string, answer: unknown = {}, input = '') {
  const [calls, lines]: [unknown[], string[]] = [[], []]
  const api: ApiClient = {
    get: async (path) => (calls.push(['GET', path]), answer),
    post: async (path, body) => (calls.push(['POST', path, body]), answer),
  }
  const out = { print: (line: string) => void lines.push(line), readInput: async () => input }
  const failed = await runCommand(words === '' ? [] : words.split(' '), api, out).then(
    () => undefined,
    (error: unknown) => error,
  )
  return { calls, lines, failed }
}

test.each([
  ['user', '/v1/users'],
  ['osf', '/v1/flavours'],
  ['di', '/v1/images'],
  ['vm', '/v1/desktops'],
])('qa %s list prints a table', async (object, path) => {
  const { calls, lines } = await qa(`${object} list`, [{ id: 1, name: 'x' }])
  expect(calls).toEqual([['GET', path]])
  expect(lines).toEqual(['id  name', '1   x'])
})

test('add sends the pairs, split at the first equals sign', async () => {
  const { calls, lines } = await qa('user add login=ann password=a=b', { id: 7 })
  expect(calls).toEqual([['POST', '/v1/users', { login: 'ann', password: 'a=b' }]])
  expect(lines).toEqual(['user added with id 7'])
})

test('a password of - is read from standard input, without the end of its line', async () => {
  const { calls } = await qa('user add login=ann password=-', { id: 7 }, ' hush \r\n')
  expect(calls).toEqual([['POST', '/v1/users', { login: 'ann', password: ' hush ' }]])
})

test.each([
  ['start', 'run'],
  ['stop', 'stop'],
])('qa vm %s wishes the desktop to %s', async (action, kind) => {
  const { calls, lines } = await qa(`vm ${action} -f name=a/b?c`)
  expect(calls).toEqual([['POST', '/v1/desktops/a%2Fb%3Fc/wishes', { kind }]])
  expect(lines).toEqual([`${action} asked for`])
})

test.each(['disconnect', 'disconnect_user'])('qa vm %s says who sat there', async (action) => {
  const { calls, lines } = await qa(`vm ${action} -f name=desk`, { was: 'ann, in a browser' })
  expect(calls).toEqual([['POST', '/v1/desktops/desk/disconnect', {}]])
  expect(lines).toEqual(['disconnected: ann, in a browser'])
})

test('qa vm explain tells the state, the wishes, the last start and the moves', async () => {
  const { calls, lines } = await qa('vm explain -f name=desk', {
    name: 'desk',
    state: 'failed',
    fault: 'no image',
    seat: { state: 'connected', label: 'ann, in a browser', door: 'one/7', since: 'noon' },
    wishes: [{ kind: 'run', by: 'ann', reason: 'opened', at: 'now', outcome: null }],
    timeline: [{ step: 'placed', at: 'then' }],
    hooks: [{ at: 'then', hook: 'vma.on_action.connect', exit: 1, ms: 12, said: 'no' }],
    log: [],
  })
  expect(calls).toEqual([['GET', '/v1/desktops/desk/explain']])
  expect(lines[0]).toBe('desk is failed: no image')
  expect(lines[1]).toBe('connected since noon: ann, in a browser (door one/7)')
  expect(lines).toContain('  run   ann  opened  now  -')
  expect(lines).toContain('  placed  then')
  expect(lines).toContain('  then  vma.on_action.connect  1     12  no')
  expect(lines.at(-1)).toBe('\nmoves, newest first:')
})

test.each([
  '',
  'nonsense list',
  'toString list',
  'vm',
  'vm dance',
  'user start -f name=x',
  'vm start',
  'vm start desk',
  'vm start -f desk',
  'vm start -f name=',
  'vm start -f name=a more',
  'user add login',
  'user add =x',
])('qa %s is refused without asking the api', async (words) => {
  const { calls, failed } = await qa(words)
  expect(failed).toBeInstanceOf(Fault)
  expect(failed).toMatchObject({ code: 'client.choice' })
  expect(calls).toEqual([])
})

test('a fault of the api reaches the caller', async () => {
  const fault = new Fault('object.unknown', { kind: 'desktop', name: 'x' })
  const api: ApiClient = { get: () => Promise.reject(fault), post: () => Promise.reject(fault) }
  const out = { print: () => {}, readInput: async () => '' }
  await expect(runCommand(['vm', 'list'], api, out)).rejects.toBe(fault)
})
