import type { HookResult } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type Guest,
  type GuestSettings,
  hookSettings,
  linkAs,
  recorder,
  startGuest,
} from '../fixtures/guest.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

const ANN = { 'qvd.vm.user.name': 'ann' }
const ACTIONS = ['pre-connect', 'connect', 'suspend', 'stop', 'poweroff', 'expire'].map(
  (name) => `vma.on_action.${name}`,
)
const PROVISIONING = ['mount_home', 'add_user', 'after_add_user'].map((name) => `vma.on_provisioning.${name}`)
const STATES = ['connected', 'suspended', 'disconnected'].map((name) => `vma.on_state.${name}`)

let screen: XScreen
let guest: Guest
const watching: AbortController[] = []

beforeAll(async () => {
  screen = await openScreen()
})
afterAll(async () => await screen[Symbol.asyncDispose]())
afterEach(() => {
  for (const controller of watching.splice(0)) controller.abort()
})

function inGuest(settings: GuestSettings): void {
  beforeAll(async () => {
    guest = await startGuest(settings)
  })
  afterAll(async () => await guest[Symbol.asyncDispose]())
}

/** Hooks of these keys: each records its call and then does what the test has told it by `behave`. */
function obedientHooks(keys: readonly string[]): ReturnType<typeof hookSettings> {
  const script = recorder('told=/run/do-${*: -1}\n[ -e $told ] && exec bash $told "$@"\nexit 0')
  return hookSettings(Object.fromEntries(keys.map((key) => [key, script])))
}

/** Tells the hook that is called for `word` what to do from now on. */
function behave(word: string, script: string): void {
  writeFileSync(guest.path(`/run/do-${word}`), script)
}

/** What provisioning hooks have to do so that there is a session. */
function behaveWell(): void {
  behave('mount_home', 'mkdir -p /home/ann')
  behave('add_user', 'id ann || useradd --home-dir /home/ann ann')
}

async function forget(): Promise<void> {
  await guest.inside('sh', '-c', 'rm -f /run/calls /run/do-* /run/go')
}

async function removeAnn(): Promise<void> {
  await guest.status('userdel', '--force', '--remove', 'ann')
  await guest.inside('rm', '-rf', '/home/ann')
}

/** A hook that heeds no request to end, and neither do its children. */
const STUBBORN =
  'trap "" TERM\n' +
  'bash -c \'trap "" TERM; sleep 4712; sleep 4712\' &\n' +
  '(trap "" TERM; exec sleep 4712) &\nsleep 4712; sleep 4712\n'

/** A hook that waits until there is a file /run/go. */
const PATIENT = 'until [ -e /run/go ]; do sleep 0.05; done'

function link() {
  if (guest.link === undefined) throw new Error('this guest speaks the plain protocol')
  return guest.link
}

function start() {
  return link().client.x_start({ display: 'nx', parameters: ANN })
}

async function faultOf(promise: Promise<unknown>): Promise<Fault> {
  const error: unknown = await promise.then(
    (value) => new Error(`it succeeded: ${JSON.stringify(value)}`),
    (error: unknown) => error,
  )
  if (error instanceof Fault) return error
  throw new Error('it did not fail with a Fault', { cause: error })
}

/** The results of hooks that the agent tells to who watches, from now until the end of the test. */
async function hearHooks(): Promise<readonly HookResult[]> {
  const controller = new AbortController()
  watching.push(controller)
  const heard: HookResult[] = []
  const began = Promise.withResolvers<undefined>()
  const listen = async (): Promise<void> => {
    for await (const { hook } of link().watch(controller.signal)) {
      began.resolve(undefined)
      if (hook !== undefined) heard.push(hook)
    }
  }
  listen().catch((error: unknown) => began.reject(error))
  await began.promise
  return heard
}

async function untilHeard(heard: readonly HookResult[], word: string): Promise<HookResult | undefined> {
  const find = (): HookResult | undefined => heard.find((result) => result.for === word)
  await until(`the result of ${word} to be told`, () => find() !== undefined)
  return find()
}

describe('the order of hooks', () => {
  inGuest({ plain: true, ...obedientHooks([...ACTIONS, ...PROVISIONING, ...STATES]) })
  beforeEach(behaveWell)
  afterEach(async () => {
    await guest.endSession()
    await forget()
  })

  test('is that of QVD, from the first connect to the logout', async () => {
    await removeAnn()
    const { client } = await guest.openSession(screen.display, ANN)
    await guest.untilHook('connected')
    expect(guest.hookWords()).toEqual([
      'pre_connect',
      'mount_home',
      'add_user',
      'after_add_user',
      'connect',
      'connected',
    ])
    await guest.inside('rm', '/run/calls')
    // The client is lost: nobody asked for a suspension.
    client.kill('SIGKILL')
    await guest.untilHook('suspended')
    expect(guest.hookWords()).toEqual(['suspended'])
    await guest.inside('rm', '/run/calls')
    await guest.untilState('suspended')
    await guest.openSession(screen.display, ANN)
    await guest.untilHook('connected')
    expect(
      guest.hookCalls().map(({ argv }) => argv.slice(-3).filter((word) => !word.startsWith('qvd.'))),
    ).toEqual([['suspended', 'pre_connect'], ['starting', 'connect'], ['connected']])
    await guest.inside('rm', '/run/calls')
    // She logs out: nobody asked for a stop.
    await guest.inside('kill', String(await guest.xterm()))
    await guest.untilHook('stopped')
    await guest.untilState('stopped')
    expect(guest.hookWords()).toEqual(['stopped'])
  })

  test('has the hooks of x_suspend and x_stop before what they do', async () => {
    await guest.openSession(screen.display, ANN)
    await guest.untilHook('connected')
    await guest.inside('rm', '/run/calls')
    await guest.simple('x_suspend')
    await guest.untilHook('suspended')
    await guest.simple('x_stop')
    await guest.untilHook('stopped')
    expect(guest.hookCalls().map(({ argv }) => argv)).toEqual([
      ['qvd.vm.session.state', 'connected', 'qvd.hook.on_action', 'suspend'],
      ['qvd.hook.on_state', 'suspended'],
      ['qvd.vm.session.state', 'suspended', 'qvd.hook.on_action', 'stop'],
      ['qvd.hook.on_state', 'stopped'],
    ])
  })

  test('has one call for each change of state, also when the agent is killed meanwhile', async () => {
    const { client } = await guest.openSession(screen.display, ANN)
    await guest.untilHook('connected')
    await guest.inside('rm', '/run/calls')
    await guest.crashAgent()
    expect(await guest.state()).toBe('connected')
    // The client goes while no agent is there.
    client.kill('SIGKILL')
    await guest.crashAgent()
    await guest.untilState('suspended')
    await guest.untilHook('suspended')
    await guest.crashAgent()
    expect(await guest.state()).toBe('suspended')
    await guest.openSession(screen.display, ANN)
    await guest.untilHook('connected')
    // The session ends while no agent is there.
    const xterm = await guest.xterm()
    await guest.inside('sh', '-c', `kill -KILL ${await guest.agentPid()}; kill ${xterm}`)
    await guest.untilHook('stopped')
    await until('an agent to answer', () =>
      guest.simple('ping').then(
        () => true,
        () => false,
      ),
    )
    await guest.untilState('stopped')
    await guest.crashAgent()
    await guest.openSession(screen.display, ANN)
    await guest.untilHook('connected', 2)
    const opened = ['pre_connect', 'connect', 'connected']
    expect(guest.hookWords()).toEqual(['suspended', ...opened, 'stopped', ...opened])
  })

  test('tells the expire hook the times as they come, and nothing else', async () => {
    const times = { 'vm.expiration.soft': '2031-05-06 07:08:09', 'vm.expiration.hard': '2031-06-06 07:08:09' }
    expect((await guest.simple('expire', times)).body).toBe('null\n\r\n')
    expect((await guest.simple('expire')).body).toBe('null\n\r\n')
    const end = ['qvd.vm.session.state', 'stopped', 'qvd.hook.on_action', 'expire']
    // The original has another word first, which shifts all pairs (trap T31).
    expect(guest.hookCalls().map(({ argv }) => argv)).toEqual([
      [...Object.entries(times).flat(), ...end],
      end,
    ])
  })

  test('has pre-connect once when it takes longer than the caller waits, who calls again (T23)', async () => {
    behave('pre_connect', PATIENT)
    const url = `http://${guest.address}:3030/vma/x_start?${new URLSearchParams(ANN).toString()}`
    // QVD's l7r gives up after 4 s.
    const abandoned = new AbortController()
    const first = fetch(url, { signal: abandoned.signal })
    await guest.untilHook('pre_connect')
    abandoned.abort()
    await expect(first).rejects.toThrow()
    const again = [guest.simple('x_start', ANN), guest.simple('x_start', ANN)]
    expect(await guest.state()).toBe('stopped')
    await guest.inside('touch', '/run/go')
    for (const { body } of await Promise.all(again)) expect(body).toBe('"starting"\n\r\n')
    await guest.untilState('listening')
    expect(guest.hookWords().filter((word) => word === 'pre_connect')).toHaveLength(1)
    expect(guest.hookWords().filter((word) => word === 'connect')).toHaveLength(1)
  })
})

describe('a hook that fails', () => {
  inGuest(obedientHooks([...ACTIONS, ...PROVISIONING]))
  beforeEach(behaveWell)
  afterEach(async () => {
    await guest.endSession()
    await forget()
    await removeAnn()
  })

  test.each([
    ['vma.on_action.pre-connect', 'pre_connect'],
    ['vma.on_provisioning.mount_home', 'mount_home'],
    ['vma.on_provisioning.add_user', 'add_user'],
    ['vma.on_provisioning.after_add_user', 'after_add_user'],
    ['vma.on_action.connect', 'connect'],
  ])('keeps the session from being opened: %s', async (key, word) => {
    behave(word, 'echo one; echo "the office is closed" >&2; exit 7')
    const fault = await faultOf(start())
    expect(fault.toJSON()).toMatchObject({
      fault: 'hook.failed',
      text: `hook /etc/ostler/hooks/${key} for ${word} failed, rc: 7`,
      advice: expect.stringMatching(
        /^It said: (one|the office is closed)\. qvd-hooks\.log in the desktop has the rest\.$/,
      ) as string,
    })
    expect(guest.hookWords().at(-1)).toBe(word)
    expect(await guest.state()).toBe('stopped')
    expect(await guest.pidOf('nxagent')).toBeUndefined()
  })

  test('says what it has said last, line by line', async () => {
    behave(
      'pre_connect',
      'echo one; sleep 0.1; echo two; sleep 0.1; printf "thr"; sleep 0.1; echo "ee  "; echo; exit 1',
    )
    expect((await faultOf(start())).detail).toMatchObject({ rc: 1, said: 'three' })
  })

  test('may be killed by somebody', async () => {
    behave('pre_connect', 'kill -KILL $$')
    const fault = await faultOf(start())
    expect(fault.code).toBe('hook.failed')
    expect(fault.message).toContain('for pre_connect failed, rc: signal')
  })

  test('leaves a resumed session as it was, and the programs in it', async () => {
    const { client } = await guest.openSession(screen.display, ANN)
    const xterm = await guest.xterm()
    client.kill('SIGKILL')
    await guest.untilState('suspended')
    for (const word of ['pre_connect', 'connect']) {
      behave(word, 'exit 1')
      expect((await faultOf(start())).code).toBe('hook.failed')
      behave(word, 'exit 0')
      await guest.untilState('suspended')
      expect(await guest.xterm()).toBe(xterm)
    }
    await guest.openSession(screen.display, ANN)
    expect(await guest.xterm()).toBe(xterm)
  })

  test('keeps the session from being suspended, and from being stopped', async () => {
    await guest.openSession(screen.display, ANN)
    const xterm = await guest.xterm()
    behave('suspend', 'exit 1')
    behave('stop', 'exit 2')
    const { client } = link()
    expect((await faultOf(client.x_suspend({}))).message).toContain('for suspend failed, rc: 1')
    expect((await faultOf(client.x_stop({}))).message).toContain('for stop failed, rc: 2')
    expect(await guest.state()).toBe('connected')
    expect(await guest.xterm()).toBe(xterm)
  })
})

describe('a hook that fails after the agent itself has made the account', () => {
  inGuest(obedientHooks(['vma.on_provisioning.after_add_user']))
  afterEach(async () => await guest.endSession())

  test('has it removed again, with its home and its group', async () => {
    behave('after_add_user', 'id ann >&2 && exit 1')
    const fault = await faultOf(start())
    expect(fault.message).toContain('for after_add_user failed, rc: 1')
    expect(await guest.status('getent', 'passwd', 'ann')).toBe(2)
    expect(await guest.status('getent', 'group', 'ann')).toBe(2)
    expect(existsSync(guest.path('/home/ann'))).toBe(false)
    behave('after_add_user', 'exit 0')
    expect((await start()).state).toBe('listening')
  })
})

describe('a hook without an end', () => {
  const hooks = obedientHooks([...ACTIONS, ...PROVISIONING, ...STATES])
  const limits = [
    'vma.hook.timeout = 1',
    'vma.on_action.connect.timeout = 2',
    'vma.on_provisioning.mount_home.timeout = 1',
  ]
  inGuest({ ...hooks, config: [...hooks.config, ...limits] })
  beforeEach(behaveWell)
  afterEach(async () => {
    await guest.endSession()
    await forget()
    await removeAnn()
  })

  async function expectNothingOfIt(word: string): Promise<void> {
    expect(await guest.pidOf('^sleep 4712')).toBeUndefined()
    expect(await guest.pidOf(`/run/do-${word}`)).toBeUndefined()
  }

  test.each([
    ['vma.on_action.pre-connect', 'pre_connect', 1],
    ['vma.on_provisioning.mount_home', 'mount_home', 1],
    ['vma.on_action.connect', 'connect', 2],
  ])('is killed at its deadline with all its children: %s', async (key, word, seconds) => {
    behave(word, STUBBORN)
    const fault = await faultOf(start())
    expect(fault.toJSON()).toMatchObject({
      fault: 'hook.timeout',
      text: `hook /etc/ostler/hooks/${key} for ${word} did not end within ${seconds} s and was killed`,
      advice: `Mend the hook, or give it more time with ${key}.timeout.`,
    })
    await expectNothingOfIt(word)
    expect(await guest.state()).toBe('stopped')
  })

  test('is killed at its deadline also when it is for a state, and the session goes on', async () => {
    behave('connected', STUBBORN)
    const heard = await hearHooks()
    await guest.openSession(screen.display, ANN)
    expect(await untilHeard(heard, 'connected')).toMatchObject({
      hook: 'vma.on_state.connected',
      exit: null,
      text: 'not ended after 1 s',
    })
    await expectNothingOfIt('connected')
    expect(await guest.state()).toBe('connected')
  })

  // Its deadline is five minutes: nobody waits for that.
  test.each(['add_user', 'after_add_user'])('is given up when the session is stopped: %s', async (word) => {
    behave(word, STUBBORN)
    const starting = faultOf(start())
    await until('it to have children', async () => (await guest.pidOf('^sleep 4712')) !== undefined)
    expect(await guest.state()).toBe('provisioning')
    expect(await link().client.x_stop({})).toEqual({ state: 'stopped' })
    expect((await starting).code).toBe('session.busy')
    await expectNothingOfIt(word)
    await guest.inside('rm', `/run/do-${word}`)
    behaveWell()
    expect((await start()).state).toBe('listening')
  })

  test('that ends itself may leave a service behind', async () => {
    behave('connect', 'sleep 4713 & exit 0')
    expect((await start()).state).toBe('listening')
    expect(await guest.pidOf('^sleep 4713')).toBeDefined()
    await guest.inside('pkill', '-f', '^sleep 4713')
  })
})

describe('the result of a hook', () => {
  inGuest(
    obedientHooks([
      'vma.on_action.pre-connect',
      'vma.on_action.connect',
      'vma.on_action.expire',
      'vma.on_provisioning.after_add_user',
      'vma.on_state.connected',
      'vma.on_state.suspended',
    ]),
  )
  afterEach(async () => {
    await guest.endSession()
    await forget()
    await removeAnn()
  })

  test('is told to who starts the session, and to who watches it', async () => {
    behave('pre_connect', 'echo looking; echo "all is well"; echo')
    behave('connected', 'echo "no screen" >&2; exit 3')
    const heard = await hearHooks()
    const { answer, client } = await guest.openSession(screen.display, ANN)
    const ms = expect.any(Number) as number
    const opening = [
      { hook: 'vma.on_action.pre-connect', for: 'pre_connect', exit: 0, ms, text: 'all is well' },
      { hook: 'vma.on_provisioning.after_add_user', for: 'after_add_user', exit: 0, ms, text: '' },
      { hook: 'vma.on_action.connect', for: 'connect', exit: 0, ms, text: '' },
    ]
    expect(answer?.hooks).toEqual(opening)
    await untilHeard(heard, 'connected')
    client.kill('SIGKILL')
    await untilHeard(heard, 'suspended')
    expect(heard).toEqual([
      ...opening,
      { hook: 'vma.on_state.connected', for: 'connected', exit: 3, ms, text: 'no screen' },
      { hook: 'vma.on_state.suspended', for: 'suspended', exit: 0, ms, text: '' },
    ])
  })

  test('is told to both who ask for the same start, and it runs once', async () => {
    behave('pre_connect', PATIENT)
    const both = Promise.all([start(), start()])
    await guest.untilHook('pre_connect')
    await guest.inside('touch', '/run/go')
    const [first, second] = await both
    expect(first.hooks).toEqual(second.hooks)
    expect(guest.hookWords()).toEqual(['pre_connect', 'after_add_user', 'connect'])
  })

  test('has the end of what it printed, however much that was', async () => {
    const fill = (letter: string, bytes: number): string =>
      `head -c ${bytes} /dev/zero | tr "\\0" ${letter}; echo`
    behave('expire', `${fill('x', 5_000_000)}; ${fill('y', 2_000)}; exit 1`)
    const log = '/var/log/ostler/qvd-hooks.log'
    const before = existsSync(guest.path(log)) ? statSync(guest.path(log)).size : 0
    if (guest.authority === undefined) throw new Error('this guest has no authority')
    using hkd = await linkAs(guest.authority, 'hkd', guest.address)
    const fault = await faultOf(hkd.client.expire({}))
    expect(fault.code).toBe('hook.failed')
    expect(fault.detail['said']).toBe('y'.repeat(500))
    const added = guest.read(log).slice(before)
    expect(added.length).toBeLessThan(100_000)
    expect(added).toMatch(/xxx\n\[more was printed and is not kept\]\n$/)
  })
})

describe('what a hook is told', () => {
  inGuest({
    plain: true,
    ...obedientHooks([
      'vma.on_action.pre-connect',
      'vma.on_action.connect',
      'vma.on_action.stop',
      'vma.on_state.connected',
    ]),
  })
  afterEach(async () => {
    await guest.endSession()
    await forget()
  })

  /** The environment of the last call for `word`. */
  function environmentOf(word: string): Record<string, string> {
    const call = guest.hookCalls().findLast(({ argv }) => argv.at(-1) === word)
    return Object.fromEntries(
      (call?.environment ?? []).map((line) => {
        const [name = '', ...value] = line.split('=')
        return [name, value.join('=')]
      }),
    )
  }

  async function listen(parameters: Record<string, string>): Promise<void> {
    expect((await guest.simple('x_start', parameters)).error).toBeUndefined()
    await guest.untilState('listening')
  }

  test('comes as arguments and again in the environment, whatever stands in it', async () => {
    const value = ' blanks  \'single\' "double" `id` $(id) $HOME \\ \\n %s ; | & * = é 日本 \u200fend '
    await listen({ ...ANN, 'custom.Odd-Name': value, 'custom.empty': '' })
    const argv = guest.hookCalls()[0]?.argv ?? []
    expect(argv[argv.indexOf('custom.Odd-Name') + 1]).toBe(value)
    expect(environmentOf('pre_connect')).toMatchObject({
      OSTLER_QVD_VM_USER_NAME: 'ann',
      OSTLER_QVD_VM_USER_HOME: '/home/ann',
      OSTLER_CUSTOM_ODD_NAME: value,
      OSTLER_CUSTOM_EMPTY: '',
      OSTLER_QVD_VM_SESSION_STATE: 'stopped',
      OSTLER_QVD_HOOK_ON_ACTION: 'pre_connect',
    })
  })

  test('is refused before any hook runs when it has lines', async () => {
    for (const value of ['two\nlines', 'two\rlines', 'nothing\0more'])
      expect((await guest.simple('x_start', { ...ANN, 'custom.note': value })).error).toMatch(
        /\[request\.invalid\]$/,
      )
    expect(guest.hookCalls()).toEqual([])
  })

  test('is no variable that a program would heed', async () => {
    const evil = [
      'LD_PRELOAD',
      'LD_LIBRARY_PATH',
      'BASH_ENV',
      'ENV',
      'PATH',
      'IFS',
      'NODE_OPTIONS',
      'PERL5OPT',
    ]
    await listen({ ...ANN, ...Object.fromEntries(evil.map((name) => [name, '/tmp/evil'])) })
    const environment = environmentOf('connect')
    for (const name of evil) expect(environment[`OSTLER_${name}`]).toBe('/tmp/evil')
    // Beside the parameters, and what bash adds, these alone: nothing of the agent's own.
    const ofBash = ['OLDPWD', 'PWD', 'SHLVL', '_']
    const others = Object.keys(environment).filter(
      (name) => !name.startsWith('OSTLER_') && !ofBash.includes(name),
    )
    expect(others.sort()).toEqual(['DISPLAY', 'HOME', 'LC_ALL', 'PATH', 'XAUTHORITY'])
    expect(environment['PATH']).toBe('/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
  })

  test('is that of the session, also when only its state changes', async () => {
    await guest.openSession(screen.display, { ...ANN, 'custom.room': '12' })
    await guest.untilHook('connected')
    const environment = environmentOf('connected')
    expect(environment).toMatchObject({ OSTLER_CUSTOM_ROOM: '12', DISPLAY: ':100' })
    expect(existsSync(guest.path(environment['XAUTHORITY'] ?? ''))).toBe(true)
    // And when another agent has found the session.
    await guest.crashAgent()
    expect((await guest.simple('x_stop')).error).toBeUndefined()
    await guest.untilHook('stop')
    expect(environmentOf('stop')).toMatchObject({
      OSTLER_CUSTOM_ROOM: '12',
      OSTLER_QVD_VM_USER_NAME: 'ann',
    })
  })

  test("is nothing of the connect before, which may have been another user's", async () => {
    await listen({ ...ANN, 'custom.secret': 'of ann', 'qvd.slave.key': 'k'.repeat(64) })
    await guest.endSession()
    await listen({ 'qvd.vm.user.name': 'bob' })
    for (const word of ['pre_connect', 'connect']) {
      const environment = environmentOf(word)
      expect(environment).toHaveProperty('OSTLER_QVD_VM_USER_NAME', 'bob')
      expect(Object.keys(environment)).not.toContain('OSTLER_CUSTOM_SECRET')
      expect(Object.keys(environment)).not.toContain('OSTLER_QVD_SLAVE_KEY')
    }
  })
})
