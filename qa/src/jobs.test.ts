import { expect, test } from 'vitest'
import type { ApiClient } from './api-client.ts'
import { runCommand } from './commands.ts'

/** Runs a command against an api that gives these answers to GET, one after the other, and one to all else. */
async function qa(words: string, answers: readonly unknown[] = [], said: unknown = {}) {
  const [calls, lines]: [unknown[], string[]] = [[], []]
  const left = [...answers]
  const api: ApiClient = {
    get: async (path) => (calls.push(['GET', path]), left.shift()),
    post: async (path, body) => (calls.push(['POST', path, body]), said),
    patch: async (path, body) => (calls.push(['PATCH', path, body]), said),
    delete: async (path) => (calls.push(['DELETE', path]), said),
    watch: async (path) => void calls.push(['WATCH', path]),
  }
  const out = { print: (line: string) => void lines.push(line), readInput: async () => '' }
  const failed = await runCommand(words.split(' '), api, out).then(
    () => undefined,
    (error: unknown) => error,
  )
  return { calls, lines, failed }
}

const JOB = { id: 7, kind: 'roll-out', progress: '1 new of 1', by: 'ann', made: 'M', ended: null, reason: '' }
const log = (number: number, text: string) => ({ number, at: 'T', text })
const job = (state: string, ...lines: unknown[]) => ({ ...JOB, state, items: [], log: lines })

test('qa di roll-out prints what would happen, and how it is begun', async () => {
  const line = { vm: 'desk', wave: 1, does: 'is started anew at once' }
  const said = { job: 7, token: 'abc', image: 'new', old: 'old', tag: 'gold', waves: 1, lines: [line] }
  const { calls, lines } = await qa('di roll-out di=new tag=gold stop-on=2', [], said)
  expect(calls).toEqual([['POST', '/v1/roll-outs', { di: 'new', tag: 'gold', 'stop-on': '2' }]])
  expect(lines).toEqual([
    'job 7: new instead of old for the tag gold: 1 VMs, 1 waves',
    '  vm    wave  does',
    '  desk  1     is started anew at once',
    'Nothing has happened yet. To begin: qa job run -f id=7 token=abc [--watch]',
  ])
})

test('qa job list prints the newest jobs', async () => {
  const { calls, lines } = await qa('job list', [[{ ...JOB, state: 'done' }]])
  expect(calls).toEqual([['GET', '/v1/jobs']])
  expect(lines[1]).toMatch(/^7 +roll-out/)
})

test('a job that is watched is printed as it goes on, each line of its log once', async () => {
  const answers = [
    job('running', log(1, 'begun')),
    job('running'),
    job('running', log(4, 'sent')),
    job('done', log(6, 'done')),
  ]
  const { calls, lines } = await qa('job run -f id=7 token=abc --watch', answers)
  expect(calls).toEqual([
    ['POST', '/v1/jobs/7/run', { token: 'abc' }],
    ['GET', '/v1/jobs/7?after=0'],
    ['GET', '/v1/jobs/7?after=1'],
    ['GET', '/v1/jobs/7?after=1'],
    ['GET', '/v1/jobs/7?after=4'],
  ])
  expect(lines).toEqual([
    'job 7 begun',
    'T  begun',
    'job 7 is running: 1 new of 1',
    'T  sent',
    'T  done',
    'job 7 is done: 1 new of 1',
  ])
})

test('one that is rolled back while it is watched is a failure', async () => {
  const { failed } = await qa('job show -f id=7 --watch', [job('running'), job('rolled back')])
  expect(failed).toMatchObject({ code: 'job.failed', detail: { state: 'rolled back' } })
})

test.each(['pause', 'resume', 'stop'])('qa job %s orders it', async (order) => {
  expect((await qa(`job ${order} -f id=7`)).calls).toEqual([['POST', `/v1/jobs/7/${order}`, {}]])
})

test.each(['job run -f id=7', 'job run -f id=7 token=a more=b', 'job show', 'job list now'])(
  'qa %s is refused',
  async (words) => {
    const { calls, failed } = await qa(words)
    expect([calls, failed]).toMatchObject([[], { code: 'client.choice' }])
  },
)

test.each([
  ['group join -f name=staff user=ann', 'POST', '/v1/groups/staff/join', { user: 'ann' }],
  [
    'group leave -f name=staff,tenant=acme user=ann',
    'POST',
    '/v1/groups/staff/leave',
    { user: 'ann', tenant: 'acme' },
  ],
  ['tenant edit -f name=acme name=north', 'PATCH', '/v1/tenants/acme', { name: 'north' }],
  ['osf edit -f name=books max_desktops=', 'PATCH', '/v1/flavours/books', { max_desktops: '' }],
])('qa %s', async (words, ...call) => {
  expect((await qa(words)).calls).toEqual([call])
})

test.each([
  ['group del -f name=staff,tenant=acme', '/v1/groups/staff?tenant=acme'],
  ['tenant del -f name=acme', '/v1/tenants/acme'],
])('qa %s', async (words, path) => {
  expect((await qa(words)).calls).toEqual([['DELETE', path]])
})
