import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Guest, hookSettings, recorder, startGuest } from '../fixtures/guest.ts'
import { exchangeRaw } from '../fixtures/raw-exchange.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

const ANN = { 'qvd.vm.user.name': 'ann' }

let screen: XScreen
let guest: Guest

beforeAll(async () => {
  screen = await openScreen()
})
afterAll(async () => await screen[Symbol.asyncDispose]())

/** A hook that does not end while the test holds it by a file. */
function held(file: string, rest = ''): string {
  return recorder(`while [ -e ${file} ]; do sleep 0.05; done\n${rest}`)
}

/** The local addresses on which something inside listens for TCP, as `address:port`. */
async function listeners(): Promise<string[]> {
  const lines = (await guest.inside('ss', '--no-header', '--listening', '--tcp', '--numeric')).split('\n')
  return lines.filter(Boolean).map((line) => line.split(/\s+/)[3] ?? '')
}

function raw(text: string, enough?: (text: string) => boolean) {
  return exchangeRaw({ host: guest.address, port: 3030 }, text, enough)
}

function get(path: string, ...headers: string[]): string {
  return [`GET ${path} HTTP/1.1`, `Host: ${guest.address}`, ...headers, '', ''].join('\r\n')
}

describe('an agent without a session', () => {
  beforeAll(async () => {
    guest = await startGuest({ plain: true })
  })
  afterAll(async () => await guest[Symbol.asyncDispose]())

  test('C-57: ping answers 200 with one JSON value', async () => {
    expect(await guest.simple('ping')).toEqual({
      status: 200,
      type: 'application/json-simplerpc',
      body: 'null\n\r\n',
      result: null,
      error: undefined,
    })
  })

  test('C-58: x_state says "stopped" when there is no session, in 12 bytes', async () => {
    const { status, body, type } = await guest.simple('x_state')
    expect({ status, type, body }).toEqual({
      status: 200,
      type: 'application/json-simplerpc',
      body: '"stopped"\n\r\n',
    })
    expect(body).toHaveLength(12)
  })

  test.each([
    ['GET', '/vma/x_nonsense'],
    ['GET', '/vma/'],
    ['GET', '/vma'],
    ['GET', '/'],
    ['GET', '/vma/ping/more'],
    ['GET', '/vma/constructor'],
    ['GET', '/vma/__proto__'],
    ['POST', '/vma/ping'],
    ['HEAD', '/vma/ping'],
  ])('C-59: what is no method of the agent is a 404: %s %s', async (method, path) => {
    const response = await fetch(`http://${guest.address}:3030${path}`, { method })
    expect(response.status).toBe(404)
    expect(response.headers.get('content-type')).toBe('text/plain')
    await response.text()
  })

  test('C-60: a failure is a 200 with an empty string, a comma and the text as JSON', async () => {
    const { status, type, body } = await guest.simple('x_start', { 'qvd.vm.user.uid': '0' })
    const text = 'invalid value for qvd.vm.user.uid: is not a number from 1 to 4294967293 [session.parameter]'
    expect({ status, type, body }).toEqual({
      status: 200,
      type: 'application/json-simplerpc',
      body: `"",${JSON.stringify(text)}\r\n`,
    })
    // The other end reads it so.
    expect(JSON.parse(`[${body}]`)).toEqual(['', text])
  })

  test('the connection stays open for the next call', async () => {
    const twice = get('/vma/ping') + get('/vma/x_state')
    const { text, closed } = await raw(twice, (seen) => seen.includes('"stopped"'))
    expect(closed).toBe(false)
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
  })

  test('C-69: a Kubernetes probe is answered', async () => {
    const { text, closed } = await raw(
      get('/vma/ping', 'User-Agent: kube-probe/1.27', 'Accept: */*', 'Connection: close'),
    )
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(closed).toBe(true)
  })
})

describe('a session', () => {
  const settings = hookSettings({
    'vma.on_provisioning.mount_home': held('/run/hold-home'),
    'vma.on_action.connect': held('/run/hold-connect'),
    'vma.on_action.suspend': recorder(),
    'vma.on_state.disconnected': recorder(),
  })

  beforeAll(async () => {
    guest = await startGuest({
      plain: true,
      ...settings,
      config: [...settings.config, 'vma.x11vnc.confirm.enabled = 0'],
    })
  })
  afterAll(async () => await guest[Symbol.asyncDispose]())
  afterEach(async () => {
    await guest.inside('rm', '-f', '/run/hold-home', '/run/hold-connect')
    await guest.endSession()
    await guest.inside('rm', '-f', '/run/calls')
  })

  test('C-61: x_start answers "starting" at once, and the state goes on to connected', async () => {
    await guest.inside('touch', '/run/hold-home', '/run/hold-connect')
    expect((await guest.simple('x_start', ANN)).body).toBe('"starting"\n\r\n')
    await guest.untilHook('mount_home')
    expect(await guest.state()).toBe('provisioning')
    await guest.inside('rm', '/run/hold-home')
    await guest.untilHook('connect')
    expect(await guest.state()).toBe('provisioning')
    await guest.inside('rm', '/run/hold-connect')
    await guest.untilState('listening')
    guest.connectNx(screen.display)
    await guest.untilState('connected')
    await guest.endSession()

    // The second time there is nothing to provide.
    await guest.inside('touch', '/run/hold-connect')
    expect((await guest.simple('x_start', ANN)).body).toBe('"starting"\n\r\n')
    await guest.untilHook('connect', 2)
    expect(await guest.state()).toBe('starting')
  })

  test('C-62: x_start on a connected session fails, says so, and suspends it', async () => {
    const { client } = await guest.openSession(screen.display, ANN)
    const ended = new Promise((resolve) => client.once('exit', resolve))
    const xterm = await guest.xterm()
    const text = "Can't connect to X session in state connected, suspending it, retry later\n"
    expect((await guest.simple('x_start', ANN)).body).toBe(`"",${JSON.stringify(text)}\r\n`)
    await guest.untilState('suspended')
    await ended
    expect(await guest.xterm()).toBe(xterm)
    // Nobody asked for a suspension: that hook is for x_suspend.
    expect(guest.hookWords()).not.toContain('suspend')
  })

  test('x_start on a session that waits for its client fails and changes nothing', async () => {
    await guest.simple('x_start', ANN)
    await guest.untilState('listening')
    const text = 'Unable to start/resume X session in state listening, try again in a few minutes\n'
    expect((await guest.simple('x_start', ANN)).body).toBe(`"",${JSON.stringify(text)}\r\n`)
    expect(await guest.state()).toBe('listening')
  })

  test('C-63: x_suspend makes a connected session suspended, x_stop makes it stopped', async () => {
    const { client } = await guest.openSession(screen.display, ANN)
    const ended = new Promise((resolve) => client.once('exit', resolve))
    const xterm = await guest.xterm()
    // The word is the original's own.
    expect((await guest.simple('x_suspend')).body).toBe('"starting"\n\r\n')
    await guest.untilState('suspended')
    await ended
    expect(await guest.xterm()).toBe(xterm)
    expect((await guest.simple('x_suspend')).body).toBe('"suspended"\n\r\n')
    expect((await guest.simple('x_stop')).body).toBe('"stopping"\n\r\n')
    await guest.untilState('stopped')
    expect(await guest.pidOf('^/usr/bin/xterm')).toBeUndefined()
    for (const method of ['x_suspend', 'x_stop'])
      expect((await guest.simple(method)).body).toBe('"stopped"\n\r\n')
  })

  // Only for the l7r of a QVD installation. For our own it is a unix socket that one user may open: the next describe.
  test('C-64: nxagent listens on TCP port 4100', async () => {
    await guest.simple('x_start', ANN)
    await guest.untilState('listening')
    expect(await listeners()).toContain('0.0.0.0:4100')
  })

  test('C-65: when nxagent is killed the state is stopped, and its hook runs', async () => {
    await guest.openSession(screen.display, ANN)
    await guest.xterm()
    const nxagent = await guest.pidOf('^/usr/bin/nxagent')
    await guest.inside('kill', '-KILL', String(nxagent))
    await guest.untilState('stopped')
    await guest.untilHook('stopped')
    expect(guest.hookWords().filter((word) => word === 'stopped')).toHaveLength(1)
    expect(await guest.pidOf('^/usr/bin/xterm')).toBeUndefined()
    // What it has left in /tmp keeps nobody from the next session.
    await guest.simple('x_start', { 'qvd.vm.user.name': 'bob' })
    await guest.untilState('listening')
  })

  test('C-67: vnc_connect answers 426, or 102, 101 and the greeting of RFB', async () => {
    const upgrade = get('/vma/vnc_connect', 'Connection: Upgrade', 'Upgrade: VNC')
    // Before there is something to see.
    expect((await raw(upgrade)).text).toMatch(/^HTTP\/1\.1 503 /)
    await guest.openSession(screen.display, ANN)
    const refused = await raw(get('/vma/vnc_connect'), (seen) => seen.includes('\r\n\r\n'))
    expect(refused.text).toMatch(/^HTTP\/1\.1 426 /)
    expect((await raw(get('/vma/vnc_connect', 'Connection: Upgrade', 'Upgrade: SSH'))).text).toMatch(
      /^HTTP\/1\.1 426 /,
    )
    const shown = await raw(upgrade, (seen) => seen.includes('RFB 003'))
    expect(shown.text).toMatch(
      /^HTTP\/1\.1 102 Processing\r\nX-QVD-VMA-Info: Starting VNC service\r\n\r\nHTTP\/1\.1 101 [^]*Upgrade: VNC[^]*\r\n\r\nRFB 003\.00\d\n$/,
    )
  })
})

describe('a session of an agent that speaks mutual TLS', () => {
  beforeAll(async () => {
    guest = await startGuest()
  })
  afterAll(async () => await guest[Symbol.asyncDispose]())

  test('C-64: nxagent listens on a unix socket alone', async () => {
    await guest.link?.client.x_start({ display: 'nx', parameters: ANN })
    expect(await guest.state()).toBe('listening')
    const tcp = await listeners()
    expect(tcp.map((address) => address.split(':').at(-1))).toEqual(['3030'])
    expect(existsSync(guest.path('/run/ostler/display/nx.sock'))).toBe(true)
    guest.connectNx(screen.display)
    await guest.untilState('connected')
  })
})

describe('a session that nobody joins', () => {
  beforeAll(async () => {
    guest = await startGuest({ plain: true, config: ['internal.nxagent.timeout.listening = 1'] })
  })
  afterAll(async () => await guest[Symbol.asyncDispose]())

  // The original waits until somebody asks for the state. Ours has a timer of its own: nobody asks here.
  test('C-66: is terminated when it is new', async () => {
    await guest.simple('x_start', ANN)
    await until('nxagent to run', async () => (await guest.pidOf('^/usr/bin/nxagent')) !== undefined)
    await until('nxagent to end', async () => (await guest.pidOf('^/usr/bin/nxagent')) === undefined)
    await guest.untilState('stopped')
  })

  // On purpose: the original ends it, and the user's work with it.
  test('C-66: goes back to sleep when it was resumed, and its programs live on', async () => {
    const { client } = await guest.openSession(screen.display, ANN)
    const xterm = await guest.xterm()
    client.kill('SIGKILL')
    await guest.untilState('suspended')
    await guest.simple('x_start', ANN)
    await guest.untilState('listening')
    await guest.untilState('suspended')
    expect(await guest.xterm()).toBe(xterm)
    await guest.openSession(screen.display, ANN)
    expect(await guest.xterm()).toBe(xterm)
  })
})

describe('C-68: poweroff', () => {
  test('answers, runs its hook, ends the session and halts', async () => {
    guest = await startGuest({
      plain: true,
      ...hookSettings({
        'vma.on_action.poweroff': held('/run/hold-halt', 'echo done > /run/halted'),
      }),
    })
    await using _ = guest
    await guest.simple('x_start', ANN)
    await guest.untilState('listening')
    await guest.inside('touch', '/run/hold-halt')
    // An open folder outlives the guest.
    const run = openSync(guest.path('/run'), 'r')
    try {
      // The original answers with a failure, by a fault of its own; whoever calls it takes any answer for a yes.
      expect((await guest.simple('poweroff')).body).toBe('null\n\r\n')
      await guest.untilHook('poweroff')
      expect(guest.hookCalls().at(-1)?.argv).toEqual([
        'qvd.vm.session.state',
        'listening',
        'qvd.hook.on_action',
        'poweroff',
      ])
      expect(await guest.state()).toBe('listening')
      await guest.inside('rm', '/run/hold-halt')
      await until('the guest to be gone', () => !existsSync(`/proc/${guest.init}`))
      expect(readFileSync(`/proc/self/fd/${run}/halted`, 'utf8')).toBe('done\n')
    } finally {
      closeSync(run)
    }
  })

  test('is prevented by a hook that fails', async () => {
    guest = await startGuest({
      plain: true,
      ...hookSettings({ 'vma.on_action.poweroff': recorder('exit 3') }),
    })
    await using _ = guest
    await guest.openSession(screen.display, ANN)
    const xterm = await guest.xterm()
    expect((await guest.simple('poweroff')).body).toBe('null\n\r\n')
    await until('the log to tell', () =>
      guest.read('/var/log/ostler/qvd.log').includes('poweroff hook prevents the halt'),
    )
    expect(await guest.state()).toBe('connected')
    expect(await guest.xterm()).toBe(xterm)
  })
})
