import type { HookResult } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
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
