import { expect, test } from 'vitest'
import type { ApiClient } from './api-client.ts'
import { runCommand } from './commands.ts'

/** Runs a command against an api that answers as given; tells what was asked and printed. */
async function qa(words: string, answer: unknown = {}) {
  const [calls, lines]: [unknown[], string[]] = [[], []]
  const api: ApiClient = {
    get: async (path) => (calls.push(['GET', path]), answer),
    post: async (path, body) => (calls.push(['POST', path, body]), answer),
    patch: async (path, body) => (calls.push(['PATCH', path, body]), answer),
    delete: async (path) => (calls.push(['DELETE', path]), answer),
    watch: async (path) => void calls.push(['WATCH', path]),
  }
  const out = { print: (line: string) => void lines.push(line), readInput: async () => '' }
  const failed = await runCommand(words.split(' '), api, out).catch((error: unknown) => error)
  return { calls, lines, failed }
}

const KEPT = { id: 12, was: 'ann-1', path: '/homes/trash/12-ann-1', until: '2031-05-01T10:00:00.000Z' }
const SAID = 'its home ann-1 is kept until 2031-05-01 at /homes/trash/12-ann-1: qa home restore -f id=12'

test.each([
  ['vm del -f name=desk', '/v1/desktops/desk', 'vm desk deleted'],
  ['osf del -f name=office', '/v1/flavours/office', 'osf office deleted'],
  ['user del -f login=ann', '/v1/users/ann', 'user ann deleted'],
  ['user del -f login=ann,tenant=acme', '/v1/users/ann?tenant=acme', 'user ann deleted'],
])('qa %s says where the home is kept, and until when', async (words, path, said) => {
  const { calls, lines } = await qa(words, { desktops: 0, homes: [KEPT] })
  expect(calls).toEqual([['DELETE', path]])
  expect(lines).toEqual([said, SAID])
})

test('qa user del says how many desktops went with her', async () => {
  const { lines } = await qa('user del -f login=ann', { desktops: 2, homes: [] })
  expect(lines).toEqual(['user ann deleted with 2 desktops'])
})

test('qa home restore says where it is, and what made room for it', async () => {
  const answer = { path: '/homes/bob-1', login: 'bob', desktops: 0, homes: [KEPT] }
  const { calls, lines } = await qa('home restore -f id=7 user=bob osf=office', answer)
  expect(calls).toEqual([['POST', '/v1/homes/7/restore', { user: 'bob', osf: 'office' }]])
  expect(lines).toEqual(["home 7 is bob's again, at /homes/bob-1", SAID])
})

test('qa home del, purge, adopt and list say what they did', async () => {
  expect((await qa('home del -f id=12', { desktops: 0, homes: [KEPT] })).lines).toEqual([SAID])
  const unmade = await qa('home del -f id=12', { desktops: 0, homes: [] })
  expect(unmade.lines).toEqual(['home 12 had never been made; it is gone'])
  expect((await qa('home purge -f id=12')).calls).toEqual([['POST', '/v1/homes/12/purge', {}]])
  const adopted = await qa('home adopt user=ann osf=office path=ann-3', { id: 3, path: '/homes/ann-3' })
  expect(adopted.calls).toEqual([['POST', '/v1/homes', { user: 'ann', osf: 'office', path: 'ann-3' }]])
  expect(adopted.lines).toEqual(['home 3: /homes/ann-3 will be used from the next start on'])
  expect((await qa('home list', [{ id: 3, state: 'free' }])).lines).toEqual(['id  state', '3   free'])
})

test('qa osf edit changes what homes may hold', async () => {
  const { calls } = await qa('osf edit -f name=office user_storage_size=4096')
  expect(calls).toEqual([['PATCH', '/v1/flavours/office', { user_storage_size: '4096' }]])
})

test.each(['home del', 'home purge -f name=x', 'vm del', 'user del -f login=', 'home list all'])(
  'qa %s is no command that removes anything',
  async (words) => {
    const { calls, failed } = await qa(words)
    expect(calls).toEqual([])
    expect(failed).toMatchObject({ code: 'client.choice' })
  },
)
