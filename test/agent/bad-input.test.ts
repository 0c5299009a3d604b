import { agentApi, upgradeApi, watchApi } from '@ostler/contract/agent-api.ts'
import { faultFromBody } from '@ostler/contract/fault.ts'
import { holderUri } from '@ostler/contract/identity.ts'
import {
  type Identity,
  issueIdentity,
  makeAuthority,
  selfSigned,
  signCertificate,
} from '@ostler/kit/certificate.ts'
import { readdirSync } from 'node:fs'
import { request } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Guest, hookSettings, recorder, startGuest } from '../fixtures/guest.ts'
import { exchangeRaw } from '../fixtures/raw-exchange.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

const ANN = { 'qvd.vm.user.name': 'ann' }
/** A session without a shell, which would start programs of its own. */
const QUIET = 'command.x-session.args.extra = -e sleep infinity'
const MEGABYTE = 'm'.repeat(1 << 20)

let screen: XScreen
let guest: Guest

beforeAll(async () => {
  screen = await openScreen()
})
afterAll(async () => await screen[Symbol.asyncDispose]())

/** Everything that a call could have left in a guest. */
interface Traces {
  readonly accounts: string
  readonly hookCalls: number
  readonly processes: ReadonlySet<string>
  readonly files: ReadonlySet<string>
}

function lookAround(): Traces {
  const processes = readdirSync(guest.path('/proc')).filter((name) => /^\d+$/.test(name))
  return {
    accounts: guest.read('/etc/passwd') + guest.read('/etc/group') + guest.read('/etc/shadow'),
    hookCalls: guest.hookCalls().length,
    processes: new Set(
      processes.map((pid) => `${pid} ${commandOf(pid)}`).filter((line) => !line.endsWith(' ')),
    ),
    files: new Set(guest.ownFiles()),
  }
}

/** Nothing when it is just ending, as our own looks into the guest do. */
function commandOf(pid: string): string {
  try {
    return guest.read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}

function added(before: ReadonlySet<string>, after: ReadonlySet<string>): string[] {
  return [...after].filter((entry) => !before.has(entry))
}

/** Each test of the describe must leave the session, the guest and the agent as they were. */
function expectNoTraces(): void {
  let last: Traces | undefined
  let xterm: number
  beforeAll(async () => {
    await guest.openSession(screen.display, ANN)
    xterm = await guest.xterm()
    await until('the last program', async () => (await guest.pidOf('^sleep infinity')) !== undefined)
  })
  beforeEach(() => {
    last ??= lookAround()
  })
  afterEach(async () => {
    const before = last ?? lookAround()
    const after = (last = lookAround())
    expect(after.accounts).toBe(before.accounts)
    expect(after.hookCalls).toBe(before.hookCalls)
    expect(added(before.processes, after.processes)).toEqual([])
    expect(added(before.files, after.files)).toEqual([])
    expect(await guest.state()).toBe('connected')
    expect(await guest.pidOf('^/usr/bin/xterm')).toBe(xterm)
  })
}

/** Values that no parameter of a session may have: name, value. */
const BAD_VALUES: readonly (readonly [string, string])[] = [
  // A user name that is an option, a path, a format string, a command, another field, another user.
  ...[
    '-x',
    '--root=/tmp',
    '/etc/passwd',
    '../root',
    '%s%n',
    '$(touch /tmp/owned)',
    '`touch /tmp/owned`',
    'ann;touch /tmp/owned',
    'ann bob',
    'ann:x:0:0',
    '*',
    'änn',
    'a'.repeat(33),
  ].map((name) => ['qvd.vm.user.name', name] as const),
  ...['0', '00', '-1', '1e3', '0x10', '1.5', ' 1000', '99999999999', '4294967295', 'root'].flatMap(
    (number) => [['qvd.vm.user.uid', number] as const, ['qvd.vm.user.gid', number] as const],
  ),
  ['qvd.vm.user.group', '-g'],
  ['qvd.vm.user.group', '0'],
  ['qvd.vm.user.groups', 'audio,-x'],
  ['qvd.vm.user.groups', 'audio,../shadow'],
  ['qvd.vm.user.groups', '0'],
  ...['ann', '/', '/home/../etc', '/home/ann/', '/home//ann', '/home/.', '/home/%h', '/home/a:b'].map(
    (home) => ['qvd.vm.user.home', home] as const,
  ),
  ['qvd.slave.key', 'short'],
  ['qvd.slave.key', `${'k'.repeat(63)}/`],
  ['qvd.client.timezone', '../../etc/shadow'],
  ['qvd.client.timezone', '/etc/shadow'],
  ['qvd.client.timezone', 'Europe/Madrid;id'],
  ['qvd.client.locale', 'C;id'],
  ['qvd.client.locale', '../../etc/shadow'],
  ['qvd.client.printing.flavor', '../../etc/shadow'],
  ...['keyboard', 'link', 'os', 'geometry', 'fullscreen'].flatMap((name) =>
    ['1,listen=4000', '1 listen=4000', '1:101', '%s'].map((value) => [`qvd.client.${name}`, value] as const),
  ),
  ['qvd.client.geometry', '0x0'],
  ['qvd.client.geometry', '99999x99999'],
  ['qvd.client.fullscreen', '2'],
  // NX options that are ours: whom nxagent accepts, where it listens, other files, channels; and what is none.
  ...[
    'accept=10.0.0.1',
    'listen=4000',
    'connect=10.0.0.1',
    'cookie=0123456789abcdef0123456789abcdef',
    'options=/etc/shadow',
    'root=/tmp',
    'slave=1',
    'font=7100',
    'cups=631',
    'link=lan',
    'unknown=1',
    'cache',
    'cache=',
    '=1',
    'cache=1,cache=2',
    'cache=1:101',
    'cache=1 2',
    'CACHE=1',
    'cache=/etc/shadow',
    `cache=${'1'.repeat(65)}`,
  ].map((args) => ['qvd.client.nxagent.extra_args', args] as const),
  // What cannot be carried anywhere.
  ['custom.note', 'two\nlines'],
  ['custom.note', 'two\r\nX-Header: 1'],
  ['custom.note', 'nothing\0more'],
  ['custom.note', '\u001b[31mred'],
  ['custom.note', '\u007f'],
  ['custom.note', 'l'.repeat(4_097)],
  ['', 'no name'],
  ['custom note', 'a blank'],
  ['custom=note', 'a sign'],
  ['custom\nnote', 'a line'],
  ['custom.ñote', 'a letter'],
  ['custom/note', 'a path'],
  ['$(id)', 'a command'],
  ['n'.repeat(129), 'a long name'],
]

/** The connection is cut while we are still sending: then the answer may be lost. */
const TOO_LARGE = /^(HTTP\/1\.1 431 [^]*)?$/

const REFUSED = /\[(request\.invalid|session\.parameter)\]$/

describe('bad input to an agent that speaks plain HTTP', () => {
  const hooks = hookSettings({
    'vma.on_action.pre-connect': recorder(),
    'vma.on_action.expire': recorder(),
    'vma.on_action.suspend': recorder(),
  })

  beforeAll(async () => {
    guest = await startGuest({ plain: true, ...hooks, config: [...hooks.config, QUIET] })
  })
  afterAll(async () => await guest[Symbol.asyncDispose]())
  expectNoTraces()

  function raw(bytes: string | Buffer, enough?: (text: string) => boolean) {
    return exchangeRaw({ host: guest.address, port: 3030 }, bytes, enough)
  }

  async function getRaw(target: string, headers = ''): Promise<string> {
    const text = `GET ${target} HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n${headers}\r\n`
    return (await raw(text)).text
  }

  test.each(BAD_VALUES)('x_start refuses %j = %j', async (name, value) => {
    const { status, body, error } = await guest.simple('x_start', { ...ANN, [name]: value })
    expect({ status, body }).toEqual({ status: 200, body: `"",${JSON.stringify(error)}\r\n` })
    expect(error).toMatch(REFUSED)
  })

  test.each([
    ['a parameter that is given twice', 'x_start?custom.a=1&custom.a=1'],
    ['a user that is given twice', 'x_start?qvd.vm.user.name=ann&qvd.vm.user.name=root'],
    ['one name in two spellings', 'x_start?custom.a=1&custom%2Ea=2'],
    ['too many parameters', `x_start?${Array.from({ length: 301 }, (_, n) => `p${n}=1`).join('&')}`],
    ['a time that is none', 'expire?vm.expiration.soft=tomorrow'],
    ['a time with more', 'expire?vm.expiration.hard=2031-05-06+07%3A08%3A09%0Aroot'],
  ])('%s is refused', async (_, target) => {
    const response = await fetch(`http://${guest.address}:3030/vma/${target}`)
    const body = await response.text()
    expect(response.status).toBe(200)
    const [empty, error] = JSON.parse(`[${body}]`) as [string, string]
    expect(empty).toBe('')
    expect(error).toMatch(REFUSED)
  })

  test('a start for another user does not take the session from who has it', async () => {
    const { error } = await guest.simple('x_start', { 'qvd.vm.user.name': 'bob' })
    expect(error).toBe('Unable to start/resume X session in state connected, try again in a few minutes\n')
  })

  test('a value of a megabyte is too large for a request', async () => {
    expect(await getRaw(`/vma/x_start?custom.note=${MEGABYTE}`)).toMatch(TOO_LARGE)
    expect(await getRaw('/vma/ping', `X-Note: ${MEGABYTE}\r\n`)).toMatch(TOO_LARGE)
  })

  test.each([
    '/vma/x_start/../ping',
    '/vma/x_nonsense',
    '/vma/toString',
    '/vma/__proto__',
    '/vma/..%2f..%2fetc%2fpasswd',
    '//vma/ping',
    '*',
    '/%00',
  ])('%s is nothing that can be called', async (target) => {
    expect(await getRaw(target)).toMatch(/^HTTP\/1\.1 (404 Not Found|400 Bad Request)\r\n/)
  })

  test.each(['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH'])('%s is no way to call', async (method) => {
    for (const name of ['ping', 'x_start', 'x_stop', 'poweroff']) {
      const response = await fetch(`http://${guest.address}:3030/vma/${name}`, { method })
      expect(response.status).toBe(404)
      await response.text()
    }
  })

  test.each([
    ['HTTP/1.0', 'GET /vma/x_stop HTTP/1.0\r\n\r\n', 505],
    ['HTTP/1.0 that wants an upgrade', upgradeOf('GET', 'HTTP/1.0'), 505],
    ['an upgrade by another method', upgradeOf('POST', 'HTTP/1.1'), 404],
    ['an upgrade of something else', upgradeOf('GET', 'HTTP/1.1', '/vma/x_stop'), 404],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['HTTP/9', 'GET /vma/ping HTTP/9.9\r\nHost: guest\r\n\r\n', 400],
    ['no host', 'GET /vma/ping HTTP/1.1\r\n\r\n', 400],
    ['words', 'good morning\r\n\r\n', 400],
    ['NX', 'NXPROXY-3.5.99-3.5.99 cookie=1\r\n\r\n', 400],
    ['TLS', Buffer.from('16030100050100000100', 'hex'), 400],
    ['zeros', Buffer.alloc(4_096), 400],
    ['a header without a name', 'GET /vma/ping HTTP/1.1\r\nHost: guest\r\n: x\r\n\r\n', 400],
    [
      'two lengths',
      'GET /vma/ping HTTP/1.1\r\nHost: guest\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a blank in the address', 'GET /vma/x_stop now HTTP/1.1\r\nHost: guest\r\n\r\n', 400],
  ])('%s is answered and the connection closed', async (_, bytes, status) => {
    const { text, closed } = await raw(bytes)
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(closed).toBe(true)
  })

  test('a megabyte of junk is not waited for', async () => {
    const { closed } = await raw(Buffer.alloc(1 << 20, 0xff))
    expect(closed).toBe(true)
  })
})

function upgradeOf(method: string, version: string, path: string = upgradeApi.vnc_connect.path): string {
  return `${method} ${path} ${version}\r\nHost: guest\r\nConnection: Upgrade\r\nUpgrade: VNC\r\n\r\n`
}

describe('bad input to an agent that speaks mutual TLS', () => {
  const hooks = hookSettings({
    'vma.on_action.expire': recorder(),
    'vma.on_action.suspend': recorder(),
    'vma.on_action.stop': recorder(),
    'vma.on_action.poweroff': recorder(),
  })
  const identities = new Map<string, Identity>()

  beforeAll(async () => {
    guest = await startGuest({ ...hooks, config: [...hooks.config, QUIET] })
    const authority = guest.authority
    if (authority === undefined) throw new Error('this guest has no authority')
    const uris = {
      hkd: holderUri({ role: 'hkd' }),
      l7r: holderUri({ role: 'l7r' }),
      vma: holderUri({ role: 'vma', desktop: 8, epoch: 1 }),
      stranger: 'ostler://admin',
    }
    for (const [role, uri] of Object.entries(uris))
      identities.set(role, await issueIdentity(authority, { commonName: role, uri, days: 1 }))
  })
  afterAll(async () => await guest[Symbol.asyncDispose]())

  function tlsOf(role: string): ConnectionOptions {
    const identity = identities.get(role)
    return {
      ...(identity === undefined ? {} : { key: identity.key, cert: identity.certificate }),
      ca: guest.authority?.certificate,
      // Who answers is not what these tests are about.
      checkServerIdentity: () => undefined,
    }
  }

  /** One request, as it is given. @throws when there is no answer. */
  function send(
    role: string,
    path: string,
    body: string | Buffer = '',
    how: { method?: string; headers?: Record<string, string> } = {},
  ): Promise<{ status: number; body: unknown }> {
    return new Promise((resolve, reject) => {
      const outgoing = request({
        ...tlsOf(role),
        host: guest.address,
        port: 3030,
        path,
        agent: false,
        method: how.method ?? 'POST',
        headers: { 'Content-Length': Buffer.byteLength(body), ...how.headers },
        signal: AbortSignal.timeout(10_000),
      })
      outgoing.once('error', reject)
      outgoing.once('response', (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.once('error', reject)
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body: parse(text) }))
      })
      outgoing.end(body)
    })
  }

  async function faultOf(
    ...call: Parameters<typeof send>
  ): Promise<{ code: string | undefined; text: string }> {
    const { status, body } = await send(...call)
    const fault = faultFromBody(body)
    if (fault !== undefined) expect(fault.status).toBe(status)
    const text = (body as { text?: unknown } | undefined)?.text
    return { code: fault?.code, text: typeof text === 'string' ? text : `(${status})` }
  }

  function startOf(parameters: Record<string, unknown>): string {
    return JSON.stringify({ display: 'nx', parameters })
  }

  describe('before a session', () => {
    beforeAll(async () => {
      await guest.inside('useradd', '--non-unique', '--uid', '0', '--gid', '0', '--no-create-home', 'toor')
      await guest.inside('ln', '-s', '/srv', '/home/lin')
      await guest.inside('useradd', '--no-create-home', '--home-dir', '/home/lin', 'lin')
    })

    test.each([
      ['root', { 'qvd.vm.user.name': 'root' }, 'session.user', 'an account of the system'],
      ['a second root', { 'qvd.vm.user.name': 'toor' }, 'session.user', 'an account of the system'],
      [
        'an account of the system',
        { 'qvd.vm.user.name': 'daemon' },
        'session.user',
        'an account of the system',
      ],
      ['a home that is a link', { 'qvd.vm.user.name': 'lin' }, 'home.owner', 'it is a link'],
      ['the home of root', { ...ANN, 'qvd.vm.user.home': '/root' }, 'home.owner', '/root'],
      ['a folder of the system', { ...ANN, 'qvd.vm.user.home': '/etc' }, 'home.owner', '/etc'],
      ['a file', { ...ANN, 'qvd.vm.user.home': '/etc/passwd' }, 'home.owner', '/etc/passwd'],
      [
        'a number of the system',
        { ...ANN, 'qvd.vm.user.uid': '500' },
        'session.user',
        'an account of the system',
      ],
      ['a number that is taken', { ...ANN, 'qvd.vm.user.uid': '1' }, 'session.user', 'not unique'],
      ['a device', { ...ANN, 'qvd.vm.user.home': '/dev/null/ann' }, 'session.user', '/dev/null/ann'],
    ])('%s is refused, and no account is left', async (_, parameters, code, text) => {
      const before = lookAround()
      const fault = await faultOf('l7r', '/vma/x_start', startOf(parameters))
      expect(fault).toEqual({ code, text: expect.stringContaining(text) as string })
      const after = lookAround()
      expect(after.accounts).toBe(before.accounts)
      expect(added(before.processes, after.processes)).toEqual([])
      expect(await guest.state()).toBe('stopped')
    })
  })

  describe('during a session', () => {
    expectNoTraces()

    test.each(BAD_VALUES)('x_start refuses %j = %j', async (name, value) => {
      for (const display of ['nx', 'rfb']) {
        const body = JSON.stringify({ display, parameters: { ...ANN, [name]: value } })
        const { code } = await faultOf('l7r', '/vma/x_start', body)
        expect(['request.invalid', 'session.parameter']).toContain(code)
      }
    })

    test('a start for another user does not take the session from who has it', async () => {
      const fault = await faultOf('l7r', '/vma/x_start', startOf({ 'qvd.vm.user.name': 'bob' }))
      expect(fault.code).toBe('session.busy')
    })

    test.each([
      ['nothing', ''],
      ['no JSON', 'display=nx'],
      ['half a JSON', '{"display":"nx",'],
      ['two JSONs', '{}{}'],
      ['zeros', '\0\0\0\0'],
      ['null', 'null'],
      ['a number', '7'],
      ['a text', '"nx"'],
      ['an array', '[{"display":"nx","parameters":{}}]'],
      ['an empty object', '{}'],
      ['an unknown field', '{"display":"nx","parameters":{"qvd.vm.user.name":"ann"},"force":true}'],
      ['an unknown display', '{"display":"vnc","parameters":{}}'],
      ['a display of another type', '{"display":1,"parameters":{}}'],
      ['a display twice', '{"display":"rfb","display":"nx","parameters":{"qvd.vm.user.name":"ann"}}'],
      ['no parameters', '{"display":"nx"}'],
      ['parameters in an array', '{"display":"nx","parameters":["qvd.vm.user.name","ann"]}'],
      ['parameters in a text', '{"display":"nx","parameters":"qvd.vm.user.name=ann"}'],
      ['a number as a value', '{"display":"nx","parameters":{"qvd.vm.user.name":"ann","a":1}}'],
      ['null as a value', '{"display":"nx","parameters":{"qvd.vm.user.name":"ann","a":null}}'],
      ['an object as a value', '{"display":"nx","parameters":{"qvd.vm.user.name":"ann","a":{"b":"c"}}}'],
      ['a parameter twice', '{"display":"nx","parameters":{"qvd.vm.user.name":"ann","a":"1","a":"1"}}'],
      ['a name in two spellings', '{"display":"nx","parameters":{"a":"1","\\u0061":"2"}}'],
      ['an escaped line', '{"display":"nx","parameters":{"qvd.vm.user.name":"ann","a":"b\\u000ac"}}'],
      [
        'too many parameters',
        startOf(Object.fromEntries(Array.from({ length: 301 }, (_, n) => [`p${n}`, '1']))),
      ],
      ['a megabyte in a value', startOf({ ...ANN, 'custom.note': MEGABYTE })],
      ['a megabyte of blanks', ' '.repeat(1 << 20)],
      ['a deep nest', '['.repeat(30_000)],
    ])('x_start refuses %s', async (_, body) => {
      const { code, text } = await faultOf('l7r', '/vma/x_start', body)
      expect(code).toBe('request.invalid')
      expect(text.length).toBeLessThan(1_000)
    })

    test.each([
      ['ping', '{"verbose":true}'],
      ['x_state', '[]'],
      ['x_suspend', '{"session":1}'],
      ['x_stop', '{"force":true}'],
      ['x_stop', 'null'],
      ['poweroff', '{"now":true}'],
      ['poweroff', '{"now":true,"now":true}'],
      ['expire', '{"soft":"tomorrow"}'],
      ['expire', '{"soft":5}'],
      ['expire', '{"soft":"2031-05-06 07:08:09\\n"}'],
      ['expire', '{"soft":"2031-05-06 07:08:09","who":"ann"}'],
      ['renew_key', '{"bits":512}'],
      ['renew_certificate', '{}'],
      ['renew_certificate', '{"certificate":1,"authority":2}'],
      ['renew_certificate', JSON.stringify({ certificate: 'c'.repeat(8_193), authority: '' })],
    ])('%s refuses %s', async (name, body) => {
      const { code, text } = await faultOf('hkd', `/vma/${name}`, body)
      expect(code).toBe('request.invalid')
      expect(text).toMatch(/^invalid request: ./)
    })

    test('renew_certificate refuses what does not go together, and the agent keeps what it has', async () => {
      const authority = guest.authority
      if (authority === undefined) throw new Error('this guest has no authority')
      const uri = holderUri({ role: 'vma', desktop: 7, epoch: 3 })
      const renew = async (signed: { certificate: string; authority: string }) =>
        await faultOf('hkd', '/vma/renew_certificate', JSON.stringify(signed))
      const own = await issueIdentity(authority, { commonName: 'desktop', uri, days: 1 })
      const whole = { certificate: own.certificate, authority: authority.certificate }
      // No key waits for it.
      expect((await renew(whole)).code).toBe('request.invalid')
      const { body } = await send('hkd', '/vma/renew_key')
      const publicKey = Buffer.from((body as { publicKey: string }).publicKey, 'base64')
      const foreign = await makeAuthority('Foreign', 2)
      const fitting = { commonName: 'desktop', uri, publicKey, days: 1 }
      const certificate = await signCertificate(authority, fitting)
      for (const signed of [
        whole, // for another key
        { certificate: 'no certificate', authority: authority.certificate },
        { certificate: '', authority: authority.certificate },
        { certificate, authority: '' },
        { certificate, authority: 'no certificate' },
        { certificate, authority: foreign.certificate },
        { certificate: await signCertificate(foreign, fitting), authority: authority.certificate },
      ]) {
        expect((await renew(signed)).code).toBe('request.invalid')
        expect((await send('l7r', '/vma/ping')).status).toBe(200)
      }
      // And then takes the right one.
      expect(await renew({ certificate, authority: authority.certificate })).toEqual({
        code: undefined,
        text: '(200)',
      })
      expect((await send('l7r', '/vma/ping')).status).toBe(200)
    })

    const strangers = Object.entries(agentApi).flatMap(([name, { callers }]) =>
      ['hkd', 'l7r', 'vma', 'stranger']
        .filter((role) => !(callers as readonly string[]).includes(role))
        .map((role) => [role, name] as const),
    )
    test.each(strangers)('%s may not call %s', async (role, name) => {
      const body = name === 'x_start' ? startOf(ANN) : '{}'
      expect((await faultOf(role, `/vma/${name}`, body)).code).toBe('agent.forbidden')
    })

    test.each(['vma', 'stranger'])('%s may not watch', async (role) => {
      expect((await faultOf(role, watchApi.path, '', { method: 'GET' })).code).toBe('agent.forbidden')
    })

    test.each([
      ['hkd', 'GET', '/vma/vnc_connect', 'VNC', 'agent.forbidden'],
      ['vma', 'GET', '/vma/vnc_connect', 'VNC', 'agent.forbidden'],
      ['l7r', 'GET', '/vma/vnc_connect', 'SSH', 'request.upgradeRequired'],
      ['l7r', 'POST', '/vma/vnc_connect', 'VNC', 'request.notFound'],
      ['l7r', 'GET', '/vma/x_stop', 'VNC', 'request.notFound'],
    ])('an upgrade by %s with %s %s to %s is %s', async (role, method, path, token, code) => {
      const headers = { Connection: 'Upgrade', Upgrade: token }
      expect((await faultOf(role, path, '', { method, headers })).code).toBe(code)
    })

    test.each([
      ['POST', '/vma/x_nonsense'],
      ['POST', '/vma/toString'],
      ['POST', '/vma/__proto__'],
      ['POST', '/vma/x_stop?force=1'],
      ['POST', '/vma/x_stop/'],
      ['POST', '//vma/x_stop'],
      ['POST', '/x_stop'],
      ['POST', '/enrol/certificate'],
      ['GET', '/enrol/key'],
      ['GET', '/vma/x_stop'],
      ['DELETE', '/vma/x_stop'],
      ['POST', watchApi.path],
      ['GET', `${watchApi.path}?since=0`],
    ])('%s %s is nothing that can be called', async (method, path) => {
      expect((await faultOf('l7r', path, '', { method })).code).toBe('request.notFound')
    })

    test('a head of a megabyte is too large', async () => {
      const head = `POST /vma/x_stop HTTP/1.1\r\nHost: guest\r\nX-Note: ${MEGABYTE}\r\n\r\n`
      const target = { host: guest.address, port: 3030 }
      const { text, closed } = await exchangeRaw(target, head, undefined, tlsOf('l7r'))
      expect(text).toMatch(TOO_LARGE)
      expect(closed).toBe(true)
    })

    test.each([
      ['words', 'good morning\r\n\r\n'],
      ['zeros', Buffer.alloc(4_096)],
      [
        'two lengths',
        'POST /vma/x_stop HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n',
      ],
      [
        'a chunk that is none',
        'POST /vma/x_stop HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      ],
    ])('%s is answered with 400 and the connection closed', async (_, bytes) => {
      const { text, closed } = await exchangeRaw(
        { host: guest.address, port: 3030 },
        bytes,
        undefined,
        tlsOf('l7r'),
      )
      expect(text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
      expect(closed).toBe(true)
    })

    test('who has no certificate, or one that somebody else has signed, is not heard', async () => {
      const foreign = await makeAuthority('Foreign', 2)
      const uri = holderUri({ role: 'l7r' })
      identities.set('foreign', await issueIdentity(foreign, { commonName: 'l7r', uri, days: 1 }))
      identities.set('self-signed', await selfSigned(['l7r'], 1))
      const call = 'POST /vma/x_stop HTTP/1.1\r\nHost: guest\r\nContent-Length: 0\r\n\r\n'
      for (const role of ['nobody', 'foreign', 'self-signed']) {
        const answer = await exchangeRaw({ host: guest.address, port: 3030 }, call, undefined, tlsOf(role))
        expect({ role, ...answer }).toEqual({ role, text: '', closed: true })
      }
    })

    test('who speaks no TLS, or an old one, is not heard', async () => {
      const call = 'POST /vma/x_stop HTTP/1.1\r\nHost: guest\r\nContent-Length: 0\r\n\r\n'
      const target = { host: guest.address, port: 3030 }
      const plain = await exchangeRaw(target, call)
      // Perhaps an alert of TLS, but nothing of HTTP.
      expect(plain.text).not.toContain('HTTP')
      expect(plain.closed).toBe(true)
      const old = await exchangeRaw(target, call, undefined, { ...tlsOf('l7r'), maxVersion: 'TLSv1.2' })
      expect(old).toEqual({ text: '', closed: true })
    })
  })
})

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
