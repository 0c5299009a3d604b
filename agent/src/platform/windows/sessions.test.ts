import type { SessionEvent } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { SessionState } from '@ostler/contract/session.ts'
import { loadConfig } from '@ostler/kit/config.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AGENT_OPTIONS } from '../../config/options.ts'
import { readRequest, type SessionRequest } from '../../desktop/request.ts'
import type { SessionRecord } from '../../desktop/session-records.ts'
import type { SessionHooks } from '../../desktop/session.ts'
import { provision } from '../../user/provision.ts'
import { windowsAccounts } from './accounts.ts'
import { ScriptedWindows } from './scripted-windows.ts'
import { WindowsSession, type WindowsSessionParts } from './sessions.ts'

const CONFIG = loadConfig(AGENT_OPTIONS, []).values
const ANN = request('ann')

type Kept = SessionRecord<{
  account: { name: string; uid: number; gid: number; home: string; shell: string }
}>

/** A Windows with an agent, and everything that became of it. */
class Desktop {
  readonly windows = new ScriptedWindows()
  /** Hooks in the order in which they ran: `connect while starting`, `is connected`. */
  readonly hooks: string[] = []
  readonly news: string[] = []
  accepts: () => boolean = () => true
  /** Does something in an action hook, such as failing. */
  inHook: (name: string) => void | Promise<void> = () => {}
  kept: Kept | undefined
  session = this.agent()

  /** The agent's side anew, as after a restart of the agent. */
  agent(): WindowsSession {
    const hooks: SessionHooks = {
      action: async (name, _pairs, state) => {
        this.hooks.push(`${name} while ${state}`)
        await this.inHook(name)
      },
      state: (state) => this.hooks.push(`is ${state}`),
      describeSession: () => {},
    }
    const accounts = windowsAccounts(this.windows.tools)
    const parts: WindowsSessionParts = {
      config: () => CONFIG,
      tools: this.windows.tools,
      records: {
        read: () => this.kept,
        write: (record) => (this.kept = structuredClone(record)),
        forget: () => (this.kept = undefined),
      },
      log: silentLog,
      hooks,
      provision: (request, onWork, signal) =>
        provision(
          {
            accounts,
            hook: () => Promise.resolve(false),
            mountHomes: () => Promise.resolve(),
            settleHome: () => {},
          },
          request.user,
          request.pairs,
          onWork,
          signal,
        ),
      prepare: () => [],
      acceptsRdp: () => Promise.resolve(this.accepts()),
    }
    const session = new WindowsSession(parts)
    session.news.subscribe(({ state, session }: SessionEvent) => this.news.push(`${state} ${session}`))
    return session
  }

  /** Starts it for ann, who signs in. */
  async connected(): Promise<void> {
    await settled(this.session.start(ANN).ready)
    this.windows.signIn('ann')
    await seconds(6)
    expect(this.session.state).toBe('connected')
    this.hooks.length = 0
    this.news.length = 0
  }

  /** As `connected`, and her client has gone. */
  async suspended(): Promise<void> {
    await this.connected()
    this.windows.signIn('ann', '')
    await seconds(6)
    expect(this.session.state).toBe('suspended')
    this.hooks.length = 0
    this.news.length = 0
  }
}

let desktop: Desktop
beforeEach(() => {
  vi.useFakeTimers()
  desktop = new Desktop()
})
afterEach(() => {
  desktop.session.release()
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

function request(name: string, more: Record<string, string> = {}): SessionRequest {
  return readRequest('rdp', { 'qvd.vm.user.name': name, ...more }, CONFIG)
}

function seconds(count: number): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(count * 1_000)
}

/** The value of something that takes time, however much; the clock is ours. */
async function settled<T>(work: Promise<T>): Promise<T> {
  const ended = work.then(
    () => true,
    () => true,
  )
  for (let turns = 0; turns < 400; turns += 1) {
    if (await Promise.race([ended, seconds(0.5).then(() => false)])) return await work
  }
  throw new Error('it waits for ever')
}

async function faultOf(work: Promise<unknown>): Promise<string> {
  const error = await settled(work).catch((error: unknown) => error)
  if (error instanceof Fault) return `${error.code}: ${error.message}`
  throw new Error('it did not fail with a fault', { cause: error })
}

test('a session is begun, joined, left, joined again and ended by its user; hooks run once for each', async () => {
  const opening = desktop.session.start(ANN)
  await settled(opening.accepted)
  const opened = await settled(opening.ready)
  expect(opened).toMatchObject({ state: 'listening', warnings: [] })
  expect(desktop.windows.users.at(-1)?.name).toBe('ann')
  expect(desktop.hooks).toEqual(['pre-connect while stopped', 'connect while provisioning'])
  for (const name of ['rdp-tcp#3', '', 'rdp-tcp#9']) {
    desktop.windows.signIn('ann', name)
    await seconds(11)
  }
  desktop.windows.signOff('ann')
  await seconds(11)
  expect(desktop.hooks.slice(2)).toEqual(['is connected', 'is suspended', 'is connected', 'is stopped'])
  expect(desktop.news).toEqual(
    [
      ...['starting', 'provisioning', 'starting', 'listening', 'connected'],
      ...['suspending', 'suspended', 'listening', 'connected', 'stopped'],
    ].map((state) => `${state} 1`),
  )
  expect(desktop.kept).toBeUndefined()
})

test('the list is read every 5 s while somebody is expected, and never when nobody is', async () => {
  await seconds(60)
  expect(await desktop.session.look()).toBe('stopped')
  expect(desktop.windows.runsOf('qwinsta')).toBe(0)
  await settled(desktop.session.start(ANN).ready)
  const before = desktop.windows.runsOf('qwinsta')
  await seconds(50)
  expect(desktop.windows.runsOf('qwinsta') - before).toBe(10)
  desktop.windows.signIn('ann')
  await seconds(10)
  desktop.windows.signOff('ann')
  await seconds(10)
  const after = desktop.windows.runsOf('qwinsta')
  await seconds(60)
  expect(desktop.windows.runsOf('qwinsta')).toBe(after)
})

test('whoever asks for the state gets it as it is now', async () => {
  await desktop.connected()
  desktop.windows.signIn('ann', '')
  expect(await desktop.session.look()).toBe('suspended')
  desktop.windows.signOff('ann')
  expect(await desktop.session.look()).toBe('stopped')
})

test('a start that nobody follows ends', async () => {
  await settled(desktop.session.start(ANN).ready)
  await seconds(121)
  expect(desktop.session.state).toBe('stopped')
  expect(desktop.hooks.at(-1)).toBe('is stopped')
})

test('a second start waits anew for a client', async () => {
  await settled(desktop.session.start(ANN).ready)
  await seconds(100)
  await settled(desktop.session.start(request('ann', { 'custom.x': '1' })).ready)
  await seconds(100)
  expect(desktop.session.state).toBe('listening')
  await seconds(21)
  expect(desktop.session.state).toBe('stopped')
})

test('time that runs out while somebody starts again does not end what she starts', async () => {
  await settled(desktop.session.start(ANN).ready)
  await seconds(119)
  desktop.inHook = async (name) => {
    if (name === 'connect') await new Promise((resolve) => setTimeout(resolve, 3_000))
  }
  await settled(desktop.session.start(request('ann', { 'custom.x': '1' })).ready)
  await seconds(60)
  expect(desktop.session.state).toBe('listening')
})

test('the same start again joins the first', async () => {
  const first = desktop.session.start(ANN)
  expect(desktop.session.start(request('ann'))).toBe(first)
  await settled(first.ready)
  expect(desktop.hooks.filter((hook) => hook.startsWith('connect'))).toHaveLength(1)
})

test('a session that is suspended is opened, and sleeps on when nobody comes', async () => {
  await desktop.suspended()
  expect(await settled(desktop.session.start(ANN).ready)).toMatchObject({ state: 'listening' })
  expect(desktop.hooks).toEqual(['pre-connect while suspended', 'connect while suspended'])
  await seconds(121)
  expect(desktop.session.state).toBe('suspended')
  expect(desktop.hooks).toHaveLength(2)
  expect(desktop.windows.sessions).toHaveLength(1)
})

test('a client that is still connected is taken from the session before another comes', async () => {
  await desktop.connected()
  await settled(desktop.session.start(ANN).ready)
  expect(desktop.windows.sessions).toMatchObject([{ user: 'ann', name: '' }])
  expect(desktop.hooks).toEqual(['is suspended', 'pre-connect while suspended', 'connect while suspended'])
})

test('somebody who has signed in without us keeps her session', async () => {
  desktop.windows.users.push({
    name: 'ann',
    number: 1_001,
    mark: '',
    groups: [],
    enabled: true,
    profile: null,
  })
  desktop.windows.signIn('ANN', 'console')
  await settled(desktop.session.start(ANN).ready)
  expect(desktop.windows.sessions).toMatchObject([{ user: 'ANN', name: '' }])
  await seconds(121)
  expect(desktop.session.state).toBe('suspended')
})

test('a session that was taken over stays when the start fails', async () => {
  desktop.windows.users.push({
    name: 'ann',
    number: 1_001,
    mark: '',
    groups: [],
    enabled: true,
    profile: null,
  })
  desktop.windows.signIn('ann')
  desktop.accepts = () => false
  await faultOf(desktop.session.start(ANN).ready)
  expect(desktop.session.state).toBe('suspended')
  expect(desktop.windows.sessions).toHaveLength(1)
})

test('the parameters of the last start are those that are kept', async () => {
  await desktop.suspended()
  await settled(desktop.session.start(request('ann', { 'custom.x': '1' })).ready)
  expect(desktop.kept?.pairs).toContainEqual(['custom.x', '1'])
})

test('of two sessions of hers, the one that is seen counts', async () => {
  await desktop.connected()
  desktop.windows.sessions.unshift({ id: 2, user: 'Ann', name: '' })
  await seconds(6)
  expect(desktop.session.state).toBe('connected')
})

test('others who are signed in are none of ours', async () => {
  desktop.windows.signIn('Administrador', 'console')
  await desktop.connected()
  await settled(desktop.session.stop())
  expect(desktop.windows.sessions).toMatchObject([{ user: 'Administrador', name: 'console' }])
})

test('nobody else may open a session that is there', async () => {
  await desktop.connected()
  expect(await faultOf(desktop.session.start(request('bob')).ready)).toContain(
    'session.busy: the session is in state connected for user ann',
  )
  expect(desktop.windows.sessions).toMatchObject([{ name: 'rdp-tcp#3' }])
})

test('a browser is told that there is nothing for it', async () => {
  const browser = readRequest('rfb', { 'qvd.vm.user.name': 'ann' }, CONFIG)
  expect(await faultOf(desktop.session.start(browser).ready)).toContain('display.missing')
  expect(desktop.hooks).toEqual([])
})

test.each([
  ['pre-connect', [], 'stopped'],
  ['connect', ['starting 1', 'provisioning 1', 'stopped 1'], 'stopped'],
])('the hook %s prevents a start', async (name, news, state) => {
  desktop.inHook = (hook) => {
    if (hook === name) throw new Fault('hook.refused', { file: 'f', name, reason: 'no' })
  }
  expect(await faultOf(desktop.session.start(ANN).ready)).toContain('hook.refused')
  expect(desktop.news).toEqual(news)
  expect(desktop.session.state).toBe(state)
  expect(desktop.kept).toBeUndefined()
})

test('the hook connect prevents that a session is joined, and leaves it as it was', async () => {
  await desktop.suspended()
  desktop.inHook = (name) => {
    if (name === 'connect') throw new Fault('hook.refused', { file: 'f', name, reason: 'no' })
  }
  expect(await faultOf(desktop.session.start(ANN).ready)).toContain('hook.refused')
  expect(desktop.session.state).toBe('suspended')
})

test('a start fails when Remote Desktop does not come up in its time', async () => {
  desktop.accepts = () => false
  expect(await faultOf(desktop.session.start(ANN).ready)).toContain(
    'Remote Desktop does not accept connections',
  )
  expect(desktop.session.state).toBe('stopped')
  expect(desktop.session.account).toBeUndefined()
})

test('Remote Desktop may come up late', async () => {
  let tries = 0
  desktop.accepts = () => (tries += 1) > 5
  expect(await settled(desktop.session.start(ANN).ready)).toMatchObject({ state: 'listening' })
})

test('suspend takes the session from its client, after the hook', async () => {
  await desktop.connected()
  expect(await settled(desktop.session.suspend())).toBe('suspended')
  expect(desktop.hooks).toEqual(['suspend while connected', 'is suspended'])
  expect(desktop.news).toEqual(['suspending 1', 'suspended 1'])
  expect(await settled(desktop.session.suspend())).toBe('suspended')
  expect(desktop.hooks).toHaveLength(2)
})

test('suspend gives up waiting for a client of a session that is there, and changes nothing where there is none', async () => {
  await settled(desktop.session.start(ANN).ready)
  expect(await settled(desktop.session.suspend())).toBe('listening')
  desktop.windows.signIn('ann', '')
  await seconds(6)
  expect(desktop.session.state).toBe('listening')
  expect(await settled(desktop.session.suspend())).toBe('suspended')
  expect(desktop.windows.runsOf('tsdiscon')).toBe(0)
})

test.each(['suspend', 'stop'] as const)('the hook %s prevents what it is for', async (name) => {
  await desktop.connected()
  desktop.inHook = (hook) => {
    throw new Fault('hook.refused', { file: 'f', name: hook, reason: 'no' })
  }
  expect(await faultOf(desktop.session[name]())).toContain('hook.refused')
  expect(desktop.windows.sessions).toMatchObject([{ name: 'rdp-tcp#3' }])
})

test.each([
  ['suspend', 'tsdiscon', 'denied', 'Access is denied'],
  ['suspend', 'tsdiscon', 'missing', 'could not be started'],
  ['suspend', 'tsdiscon', 'slow', 'timed out'],
  ['suspend', 'tsdiscon', 'garbage', 'suspending the session took longer'],
  ['suspend', 'qwinsta', 'garbage', 'not understood'],
  ['stop', 'logoff', 'denied', 'Access is denied'],
  ['stop', 'logoff', 'missing', 'could not be started'],
  ['stop', 'qwinsta', 'slow', 'timed out'],
] as const)('%s fails when %s is %s, and the session stays', async (verb, program, trouble, message) => {
  await desktop.connected()
  desktop.windows.breakProgram(program, trouble)
  expect(await faultOf(desktop.session[verb]())).toContain(`session.failed: the X session did not come up`)
  expect(await faultOf(desktop.session[verb]())).toContain(message)
  expect(desktop.session.state).toBe('connected')
  desktop.windows.breakProgram(program, undefined)
  expect(await settled(desktop.session[verb]())).toBe(verb === 'stop' ? 'stopped' : 'suspended')
})

test.each([
  ['suspend', 'tsdiscon'],
  ['stop', 'logoff'],
] as const)('%s is done when the session vanishes just before %s', async (verb, program) => {
  await desktop.connected()
  desktop.windows.before(program, () => desktop.windows.signOff('ann'))
  expect(await settled(desktop.session[verb]())).toBe('stopped')
  expect(desktop.hooks.at(-1)).toBe('is stopped')
})

test('stop signs the user off, after the hook', async () => {
  await desktop.connected()
  expect(await settled(desktop.session.stop())).toBe('stopped')
  expect(desktop.hooks).toEqual(['stop while connected', 'is stopped'])
  expect(desktop.news).toEqual(['stopping 1', 'stopped 1'])
  expect(desktop.windows.sessions).toEqual([])
  expect(await settled(desktop.session.stop())).toBe('stopped')
  expect(desktop.hooks).toHaveLength(2)
})

test('a session that does not end is reset', async () => {
  await desktop.connected()
  desktop.windows.stubborn = true
  expect(await settled(desktop.session.stop())).toBe('stopped')
  expect(desktop.windows.runsOf('rwinsta')).toBe(1)
})

test('a session that nothing ends is told, and ends whenever it does', async () => {
  await desktop.connected()
  desktop.windows.breakProgram('logoff', 'slow')
  desktop.windows.breakProgram('rwinsta', 'denied')
  expect(await faultOf(desktop.session.stop())).toContain('Access is denied')
  expect(desktop.session.state).toBe('stopping')
  expect(await faultOf(desktop.session.start(ANN).ready)).toContain('stopping the session took longer')
  desktop.windows.signOff('ann')
  await seconds(6)
  expect(desktop.session.state).toBe('stopped')
})

test('stop gives up a start that is under way', async () => {
  desktop.accepts = () => false
  const { ready } = desktop.session.start(ANN)
  const failed = faultOf(ready)
  await seconds(2)
  expect(await settled(desktop.session.stop())).toBe('stopped')
  expect(await failed).toContain('session.busy')
})

test('a start that nobody has followed yet is stopped at once', async () => {
  await settled(desktop.session.start(ANN).ready)
  expect(await settled(desktop.session.stop())).toBe('stopped')
  expect(desktop.windows.runsOf('logoff')).toBe(0)
})

test('the halt asks no hook', async () => {
  await desktop.connected()
  await settled(desktop.session.halt())
  expect(desktop.windows.sessions).toEqual([])
  expect(desktop.hooks).toEqual(['is stopped'])
})

test('a session that ends while it is being opened is told', async () => {
  await desktop.suspended()
  desktop.inHook = async (name) => {
    if (name !== 'connect') return
    desktop.windows.signOff('ann')
    await desktop.session.look()
  }
  expect(await faultOf(desktop.session.start(ANN).ready)).toContain('ended before it could be joined')
  expect(desktop.session.state).toBe('stopped')
})

test.each<[string, (windows: ScriptedWindows) => void, SessionState, string[]]>([
  ['still connected', () => {}, 'connected', []],
  ['left meanwhile', (windows) => windows.signIn('ann', ''), 'suspended', ['is suspended']],
  ['ended meanwhile', (windows) => windows.signOff('ann'), 'stopped', ['is stopped']],
])('an agent that was restarted finds the session %s', async (_, meanwhile, state, hooks) => {
  await desktop.connected()
  desktop.session.release()
  meanwhile(desktop.windows)
  desktop.session = desktop.agent()
  desktop.session.recover()
  expect(await desktop.session.look()).toBe(state)
  await seconds(20)
  expect(desktop.session.state).toBe(state)
  expect(desktop.hooks).toEqual(hooks)
  expect(desktop.session.news.value.session).toBe(1)
})

test('an agent that was restarted before anybody came waits on', async () => {
  await settled(desktop.session.start(ANN).ready)
  desktop.session.release()
  desktop.session = desktop.agent()
  desktop.session.recover()
  await seconds(6)
  expect(desktop.session.state).toBe('listening')
  desktop.windows.signIn('ann')
  await seconds(6)
  expect(desktop.session.state).toBe('connected')
  expect(desktop.hooks.at(-1)).toBe('is connected')
})

test('what cannot be seen stays as it was last seen', async () => {
  await desktop.connected()
  desktop.windows.breakProgram('qwinsta', 'garbage')
  await seconds(30)
  expect(await desktop.session.look()).toBe('connected')
  desktop.windows.breakProgram('qwinsta', undefined)
  desktop.windows.signOff('ann')
  await seconds(6)
  expect(desktop.session.state).toBe('stopped')
})

test('the next session has the next number', async () => {
  await desktop.connected()
  await settled(desktop.session.stop())
  await desktop.connected()
  expect(desktop.session.news.value).toMatchObject({ session: 2 })
})

test('results of hooks are told with the state', async () => {
  desktop.session.tellHook({ hook: 'vma.on_action.connect', for: 'connect', exit: 0, ms: 1, text: '' })
  expect(desktop.session.news.value).toMatchObject({ state: 'stopped', hook: { for: 'connect' } })
})
