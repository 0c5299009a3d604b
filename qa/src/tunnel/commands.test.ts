import { expect, test } from 'vitest'
import type { ApiClient } from '../api-client.ts'
import { isTunnelCommand, runTunnelCommand } from './commands.ts'

/** Runs a command against an api that has nothing; the failure, and what was asked. */
async function qa(words: string) {
  const calls: unknown[] = []
  const refuse = (error: string) => Promise.reject(new Error(error))
  const api: ApiClient = {
    get: async (path) => (calls.push(path), []),
    post: (path, body) => (calls.push([path, body]), refuse('enough')),
    patch: () => refuse('never'),
    delete: () => refuse('never'),
    watch: () => refuse('never'),
  }
  const terminal = { input: process.stdin, output: process.stdout, notes: process.stderr }
  const settings = { api, terminal, self: { argv: [] }, env: { SUDO_USER: 'eve', USER: 'root' } }
  const failed: unknown = await runTunnelCommand(words.split(' '), settings).catch((error: unknown) => error)
  return { calls, failed }
}

test.each([
  ['vm console ann', 'ann', { kind: 'console' }],
  ['vm console 7 user=ann', '7', { kind: 'console', account: 'ann' }],
  ['vm console -f name=ann user=bob', 'ann', { kind: 'console', account: 'bob' }],
  ['vm tunnel --filter id=7 kind=serial', '7', { kind: 'serial' }],
])('%s asks for a tunnel in the name of whoever became root', async (words, desktop, asked) => {
  const { calls } = await qa(words)
  expect(calls).toEqual([[`/v1/desktops/${desktop}/tunnels`, { ...asked, person: 'eve' }]])
})

test.each([
  'vm console',
  'vm console kind=x',
  'vm console ann host=x',
  'vm console ann bob',
  'vm console ann -- ls',
  'vm tunnel ann',
  'vm tunnel ann kind=folder',
  'vm console -f user=ann',
  'vm console -f name=a,id=7',
  'vm constructor ann',
])('%s is refused before anything is asked', async (words) => {
  const { calls, failed } = await qa(words)
  expect(failed).toMatchObject({ code: 'client.choice' })
  expect(calls).toEqual([])
})

test('ssh to a desktop that is not there is refused', async () => {
  expect((await qa('vm ssh nowhere')).failed).toMatchObject({ code: 'object.unknown' })
})

test('only these words are for tunnels', () => {
  expect(
    ['vm console', 'vm ssh', 'vm vnc', 'vm tunnel'].every((words) => isTunnelCommand(words.split(' '))),
  ).toBe(true)
  expect(['vm list', 'vm', 'user console', ''].some((words) => isTunnelCommand(words.split(' ')))).toBe(false)
})
