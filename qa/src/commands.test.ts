import { Fault } from '@ostler/contract/fault.ts'
import { describe, expect, test } from 'vitest'
import type { ApiClient } from './api-client.ts'
import { runCommand } from './commands.ts'

/** Runs a command against an api that answers as given; tells what was asked and printed. */
async function qa(words: string, answer: unknown = {}, input = '') {
  const [calls, lines]: [unknown[], string[]] = [[], []]
  const api: ApiClient = {
    get: async (path) => (calls.push(['GET', path]), answer),
    post: async (path, body) => (calls.push(['POST', path, body]), answer),
    patch: async (path, body) => (calls.push(['PATCH', path, body]), answer),
    delete: async (path) => (calls.push(['DELETE', path]), answer),
    watch: async (path) => void calls.push(['WATCH', path]),
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
  ['tenant', '/v1/tenants'],
  ['host', '/v1/hosts'],
  ['policy', '/v1/policy'],
])('qa %s list prints a table of the columns that are asked for', async (object, path) => {
  const { calls, lines } = await qa(`${object} list --columns=id,name`, [{ id: 1, name: 'x', more: true }])
  expect(calls).toEqual([['GET', path]])
  expect(lines).toEqual(['id  name', '1   x'])
})

test('add sends the pairs, split at the first equals sign', async () => {
  const { calls, lines } = await qa('user add login=ann password=a=b', { id: 7 })
  expect(calls).toEqual([['POST', '/v1/users', { login: 'ann', password: 'a=b' }]])
  expect(lines).toEqual(['User added with id 7'])
})

test('a password of - is read from standard input, without the end of its line', async () => {
  const { calls } = await qa('user add login=ann password=-', { id: 7 }, ' hush \r\n')
  expect(calls).toEqual([['POST', '/v1/users', { login: 'ann', password: ' hush ' }]])
})

test.each([
  ['start', 'run'],
  ['stop', 'stop'],
])('qa vm %s wishes the desktop to %s', async (action, kind) => {
  const { calls, lines } = await qa(`vm ${action} -f name=a/b%c`)
  expect(calls).toEqual([['POST', '/v1/desktops/a%2Fb%25c/wishes', { kind }]])
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
    because: ['desk has failed.', 'Nobody wishes anything.'],
    console: { boot: 3, at: 'noon', said: `${'old\n'.repeat(100)}kernel panic` },
    fault: 'no image',
    kept: [{ at: 'noon', host: 'one', folder: '/failed/7-2', bytes: 4096, fault: 'no image' }],
    hypervisor: 'kvm',
    warning: 'it is slow',
    image: { tag: 'default', next: 'new', running: 'old' },
    expires: { soft: 'noon', hard: null },
    seat: { state: 'connected', label: 'ann, in a browser', door: 'one/7', since: 'noon' },
    wishes: [{ kind: 'run', by: 'ann', reason: 'opened', at: 'now', outcome: null }],
    timeline: [{ step: 'placed', at: 'then' }],
    hooks: [{ at: 'then', hook: 'vma.on_action.connect', exit: 1, ms: 12, said: 'no' }],
    log: [],
  })
  expect(calls).toEqual([['GET', '/v1/desktops/desk/explain']])
  expect(lines.slice(0, 3)).toEqual([
    'desk is failed: no image',
    '- desk has failed.',
    '- Nobody wishes anything.',
  ])
  expect(lines[3]).toBe('warning (kvm): it is slow')
  expect(lines[4]).toBe('runs the image old; its tag default stands for new')
  expect(lines[5]).toBe('expires: its user is told at noon, it is ended at -')
  expect(lines[6]).toBe('connected since noon: ann, in a browser (door one/7)')
  expect(lines).toContain('  run   ann  opened  now  -')
  expect(lines).toContain('  placed  then')
  expect(lines).toContain('  then  vma.on_action.connect  1     12  no')
  expect(lines).toContain('\nmoves, newest first:')
  expect(lines).toContain('  noon  one   /failed/7-2  4096   no image')
  expect(lines).toContain('\nthe end of the console of boot 3, which ended at noon:')
  expect(lines.filter((line) => line === '  old')).toHaveLength(39)
  expect(lines.at(-1)).toBe('  kernel panic')
})

test('qa vm reset asks for a failed desktop to be tried anew', async () => {
  const { calls, lines } = await qa('vm reset -f name=desk', { number: 1 })
  expect(calls).toEqual([['POST', '/v1/desktops/desk/wishes', { kind: 'reset' }]])
  expect(lines).toEqual(['reset asked for'])
})

test('qa notice list prints what administrators were told', async () => {
  const { calls, lines } = await qa('notice list', [{ id: 1, kind: 'failure', vm: 'desk' }])
  expect(calls).toEqual([['GET', '/v1/notices']])
  expect(lines.at(-1)).toMatch(/1 +failure +desk/)
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
  'di tag tag=head',
  'di untag di_id=3',
  'di untag di_id=3 tag=a more=b',
  'di del',
  'vm edit di_tag=head',
  'vm start -f name=a more',
  'user add login',
  'user add =x',
  'user list all',
  'host del name=x',
  'host del',
  'vm add name=x user=a user_id=1',
  'user propget a=b',
  'tenant start -f name=x',
  'policy block -f name=x',
  'user block',
  'vm block -f name=x -f name=y',
  'vm list --nonsense',
  'vm list -f',
  'vm list --json --csv',
  'user passwd',
  'user passwd login=ann',
  'user propset -f login=ann',
  'user propset a=b',
  'user propdel -f login=ann',
  'user propset -f login=ann a=- b=-',
  'config set',
  'config set tenant=acme',
  'config set a',
  'config get a=b',
  'config del',
  'config del tenant=acme',
  'config toString',
])('qa %s is refused without asking the api', async (words) => {
  const { calls, failed } = await qa(words)
  expect(failed).toBeInstanceOf(Fault)
  expect(failed).toMatchObject({ code: 'client.choice' })
  expect(calls).toEqual([])
})

const NEVER = { count: 0, soft: null, hard: null }

test('di add tells in the words of the manual how many desktops expire, and when', async () => {
  const expiring = { count: 3, soft: '2026-08-05T23:34:00.000Z', hard: null }
  const words = 'di add path=/i.tar osf=test kind=tarball expire-soft=now'
  const { calls, lines } = await qa(words, { id: 7, version: '2026-08-05-000', expiring })
  const body = { path: '/i.tar', osf: 'test', kind: 'tarball', 'expire-soft': 'now' }
  expect(calls).toEqual([['POST', '/v1/images', body]])
  expect(lines).toEqual([
    '3 VM have had their expiration dates set (2026-08-05T23:34:00.000Z, undef)!',
    'DI added with id 7, version 2026-08-05-000',
  ])
})

test.each([
  ['di tag di_id=15 tag=default', ['POST', '/v1/images/15/tags', { tag: 'default' }], 'DI tagged'],
  ['di untag di_id=15 tag=old', ['DELETE', '/v1/images/15/tags/old'], 'DI untagged'],
  ['di del -f id=15', ['DELETE', '/v1/images/15'], 'di 15 deleted; its file was left where it is'],
  ['di block -f name=x', ['POST', '/v1/images/x/blocked', { blocked: true }], 'di x blocked'],
  [
    'vm edit -f name=desk di_tag=head expire-hard=',
    ['PATCH', '/v1/desktops/desk', { di_tag: 'head', 'expire-hard': '' }],
    'Edited 1 VMs.',
  ],
])('%s', async (words, call, line) => {
  const { calls, lines } = await qa(words, { expiring: NEVER })
  expect(calls).toEqual([call])
  expect(lines).toEqual([line])
})

test('a fault of the api reaches the caller', async () => {
  const fault = new Fault('object.unknown', { kind: 'desktop', name: 'x' })
  const fail = (): Promise<never> => Promise.reject(fault)
  const api: ApiClient = { get: fail, post: fail, patch: fail, delete: fail, watch: fail }
  const out = { print: () => {}, readInput: async () => '' }
  await expect(runCommand(['vm', 'list'], api, out)).rejects.toBe(fault)
})

test.each([
  ['user block -f login=ann', '/v1/users/ann/blocked', { blocked: true }, 'user ann blocked'],
  [
    'user unblock -f login=ann,tenant=acme',
    '/v1/users/ann/blocked',
    { blocked: false, tenant: 'acme' },
    'user ann unblocked',
  ],
  ['tenant block -f name=acme', '/v1/tenants/acme/blocked', { blocked: true }, 'tenant acme blocked'],
  ['host unblock --filter name=n1', '/v1/hosts/n1/blocked', { blocked: false }, 'host n1 unblocked'],
  ['vm block -f name=a/b', '/v1/desktops/a%2Fb/blocked', { blocked: true }, 'vm a/b blocked'],
])('qa %s', async (words, path, body, said) => {
  const { calls, lines } = await qa(words)
  expect(calls).toEqual([['POST', path, body]])
  expect(lines).toEqual([said])
})

test('a new password comes from standard input', async () => {
  const { calls, lines } = await qa('user passwd user=ann tenant=acme', {}, 'new one\n')
  expect(calls).toEqual([['POST', '/v1/users/ann/password', { password: 'new one', tenant: 'acme' }]])
  expect(lines).toEqual(['password of ann set'])
})

describe.each([
  ['user', '/v1/users', 'users'],
  ['host', '/v1/hosts', 'hosts'],
  ['osf', '/v1/flavours', 'OSFs'],
  ['di', '/v1/images', 'DIs'],
  ['vm', '/v1/desktops', 'VMs'],
])('properties of %s', (object, path, plural) => {
  const answer = { names: ['a'], token: 't', done: 1, failures: [] }

  test('are set in all that a filter finds, a secret one from standard input', async () => {
    const { calls, lines } = await qa(
      `${object} propset custom.a=1=2 totp=- -F name=a.b`,
      answer,
      'JBSWY3DP\n',
    )
    const set = { 'custom.a': '1=2', totp: 'JBSWY3DP' }
    expect(calls).toEqual([
      ['POST', `${path}/bulk`, { filter: 'name=a.b' }],
      ['POST', `${path}/bulk/propset`, { filter: 'name=a.b', token: 't', set }],
    ])
    expect(lines).toEqual([`propset in 1 ${plural}.`])
  })

  test("are printed in QVD's form, of all without a filter", async () => {
    const found = [{ name: 'ann', key: 'custom.a', value: '1' }]
    const { calls, lines } = await qa(`${object} propget custom.a`, found)
    expect(calls).toEqual([['POST', `${path}/bulk/propget`, { filter: '', keys: ['custom.a'] }]])
    expect(lines).toEqual(['ann\tcustom.a=1'])
  })

  test('are removed, of all only if that is meant', async () => {
    const { calls, lines } = await qa(`${object} propdel -f name=a b c`, answer)
    expect(calls[1]).toEqual([
      'POST',
      `${path}/bulk/propdel`,
      { filter: 'name=a', token: 't', keys: ['b', 'c'] },
    ])
    expect(lines).toEqual([`propdel in 1 ${plural}.`])
    expect((await qa(`${object} propdel b --force`, answer)).calls).toHaveLength(2)
    for (const words of ['propset -f name=x', 'propdel -f name=x', 'propset a=1', 'propdel a']) {
      const { calls: asked, failed } = await qa(`${object} ${words}`)
      expect(failed).toMatchObject({ code: 'client.choice' })
      expect(asked).toEqual([])
    }
  })
})

describe('the whole configuration', () => {
  test('list prints where each value comes from, and so does get when it is asked', async () => {
    const entries = [{ key: 'l7r.port', value: '443', origin: '/etc/ostler/node.conf:3' }]
    const { calls, lines } = await qa('config list tenant=acme', entries)
    expect(calls).toEqual([['GET', '/v1/configuration?tenant=acme']])
    expect(lines).toEqual(['key       value  origin', 'l7r.port  443    /etc/ostler/node.conf:3'])
    expect((await qa('config get --origin l7r.port', entries)).lines).toEqual([
      'l7r.port=443\t/etc/ostler/node.conf:3',
    ])
  })

  test('set says what does not count at once, and what is only kept', async () => {
    const answer = { count: 2, restart: { 'l7r.port': ['l7r', 'hkd'] }, notes: ['a is kept and not used: b'] }
    expect((await qa('config set l7r.port=443 a=1', answer)).lines).toEqual([
      '2 config entries set.',
      'l7r.port counts once ostler-l7r and ostler-hkd start again',
      'note: a is kept and not used: b',
    ])
  })

  test('doctor prints what is not used', async () => {
    const finding = { kind: 'reported', keys: ['a (node.conf:1)', 'b (database)'], text: 'not used: c' }
    expect((await qa('config doctor', [finding])).lines).toEqual([
      'reported: a (node.conf:1), b (database): not used: c',
    ])
    expect((await qa('config doctor', [])).lines).toEqual(['Every key that is set is used.'])
  })

  test('import says what would be, and does it when it is told to', async () => {
    const keys = [
      { key: 'nodename', tenant: null, kind: 'file', text: 'set it there' },
      { key: 'a', tenant: 'acme', kind: 'honoured', text: 'at once' },
    ]
    const first = await qa('config import - tenant.3=acme', { keys, stored: 1, applied: false }, 'a = 1\n')
    const body = { text: 'a = 1\n', tenants: { 3: 'acme' }, apply: false }
    expect(first.calls).toEqual([['POST', '/v1/configuration/import', body]])
    expect(first.lines).toEqual([
      'file      nodename: set it there',
      'honoured  a (tenant acme): at once',
      '1 config entries would be set, 1 left out: add --apply.',
    ])
    const { lines } = await qa('config import - --apply', { keys, stored: 1, applied: true })
    expect(lines.at(-1)).toBe('1 config entries set, 1 left out.')
  })

  test.each(['config import', 'config import /nowhere', 'config import - three=acme', 'config doctor x'])(
    'qa %s is refused',
    async (words) => {
      const { calls, failed } = await qa(words)
      expect(failed).toMatchObject({ code: 'client.choice' })
      expect(calls).toEqual([])
    },
  )
})

describe('the configuration', () => {
  test('is printed as key=value', async () => {
    const { calls, lines } = await qa('config get', [{ key: 'l7r.port', value: '8443' }])
    expect(calls).toEqual([['GET', '/v1/configuration']])
    expect(lines).toEqual(['l7r.port=8443'])
    const { calls: some } = await qa('config get auth.ldap.host tenant=acme', [])
    expect(some).toEqual([['GET', '/v1/configuration?key=auth.ldap.host&tenant=acme']])
  })

  test('is set for all tenants, or for one', async () => {
    const { calls, lines } = await qa('config set auth.ldap.host=ldap://a tenant=acme')
    const body = { set: { 'auth.ldap.host': 'ldap://a' }, tenant: 'acme' }
    expect(calls).toEqual([['POST', '/v1/configuration', body]])
    expect(lines).toEqual(['1 config entries set.'])
  })

  test('is removed by key', async () => {
    const { calls, lines } = await qa('config del a b tenant=acme', { count: 2 })
    expect(calls).toEqual([['DELETE', '/v1/configuration?key=a&key=b&tenant=acme']])
    expect(lines).toEqual(['2 config entries deleted.'])
  })
})

test('a rule of the policy is removed by its name', async () => {
  const { calls, lines } = await qa('policy del -f name=no-guests')
  expect(calls).toEqual([['DELETE', '/v1/policy/no-guests']])
  expect(lines).toEqual(['policy no-guests deleted'])
})

test('backup now waits for the backup and names its file', async () => {
  const { calls, lines } = await qa('backup now', { id: 7, ended: true, file: 'x.dump', fault: null })
  expect(calls).toEqual([
    ['POST', '/v1/backups', {}],
    ['GET', '/v1/backups/7'],
  ])
  expect(lines).toEqual(['backup 7 made and verified: x.dump'])
})

test('backup now says why there is none', async () => {
  const { failed } = await qa('backup now', { id: 7, ended: true, file: null, fault: 'no room' })
  expect(failed).toMatchObject({ code: 'backup.failed', detail: { reason: 'no room' } })
})

test('backup takes no words', async () => {
  const { calls, failed } = await qa('backup now quickly')
  expect(failed).toMatchObject({ code: 'client.choice' })
  expect(calls).toEqual([])
})
