import { Fault } from '@ostler/contract/fault.ts'
import { mayFollow, type SessionState } from '@ostler/contract/session.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventually, type NxClient, type SessionUnderTest } from '../fixtures/session-under-test.ts'

/** Where a session can be when something happens to it. */
const PLACES = ['starting', 'fresh', 'connected', 'suspending', 'suspended', 'woken', 'stopping'] as const
type Place = (typeof PLACES)[number]

const ANN = { 'qvd.vm.user.name': 'ann' }
const BOB = { 'qvd.vm.user.name': 'bob' }

/**
 * What a session does, whatever X agent it has: the real one and the scripted one pass the same tests.
 * @param open makes a desktop of its own, with `internal.nxagent.timeout.listening` at 3 s, for each test.
 */
export function sessionSuite(open: () => Promise<SessionUnderTest>): void {
  let desktop: SessionUnderTest
  let client: NxClient

  beforeEach(async () => {
    desktop = await open()
    left = []
  })
  afterEach(async () => {
    const steps = desktop.changes
    await desktop[Symbol.asyncDispose]()
    expect(illegalSteps(steps)).toEqual([])
  })

  const state = async (): Promise<SessionState> => (await desktop.calls.x_state({})).state
  const untilState = (...wanted: SessionState[]): Promise<void> =>
    eventually(`the session to be ${wanted.join(' or ')}`, async () => wanted.includes(await state()))
  const start = (display: 'nx' | 'rfb' = 'nx', parameters = ANN) =>
    desktop.calls.x_start({ display, parameters })
  const untilNoneIsLeft = (): Promise<void> =>
    eventually('the X agent to be gone', async () => (await desktop.xAgents()) === 0)
  const join = async (): Promise<void> => {
    expect((await start()).state).toBe('listening')
    client = desktop.connect()
    await untilState('connected')
  }
  const sleep = async (): Promise<void> => {
    client.breakLink()
    await untilState('suspended')
  }
  /** States that a session was seen in, in its agent's present life. */
  const seen = (): SessionState[] => {
    const life = desktop.changes.at(-1)?.life
    return desktop.changes.filter((change) => change.life === life).map((change) => change.state)
  }

  /** Calls that were left under way. */
  let left: Promise<unknown>[]
  const leave = (call: Promise<unknown>): void => {
    left.push(call.catch(() => {}))
  }

  /** Brings the session to a place; what is still under way there ends as it may. */
  const bringTo: Readonly<Record<Place, () => Promise<void>>> = {
    starting: async () => {
      leave(start())
      await eventually('the X agent to be launched', async () => (await desktop.xAgents()) > 0)
    },
    fresh: async () => {
      await start()
    },
    connected: join,
    suspending: async () => {
      await join()
      client.freeze()
      leave(desktop.calls.x_suspend({}))
      await untilState('suspending')
    },
    suspended: async () => {
      await join()
      await sleep()
    },
    woken: async () => {
      await join()
      await sleep()
      await start()
    },
    stopping: async () => {
      await join()
      leave(desktop.calls.x_stop({}))
      await untilState('stopping', 'stopped')
    },
  }

  /** A desktop is not spoilt by whatever happened: the next session begins and ends. */
  const serveTheNext = async (): Promise<void> => {
    await untilState('stopped')
    await untilNoneIsLeft()
    await Promise.all(left)
    expect(await start()).toMatchObject({ ready: true, state: 'listening' })
    expect(await desktop.calls.x_stop({})).toEqual({ state: 'stopped' })
    await untilNoneIsLeft()
  }

  test('a session starts, is joined, left, resumed, joined again and stopped', async () => {
    expect(await start()).toMatchObject({ ready: true, state: 'listening' })
    client = desktop.connect()
    await untilState('connected')
    client.breakLink()
    await untilState('suspended')
    expect(await start()).toMatchObject({ ready: true, state: 'listening' })
    client = desktop.connect()
    await untilState('connected')
    client.leave()
    await untilState('suspended')
    expect(await desktop.calls.x_stop({})).toEqual({ state: 'stopped' })
    expect(essential(seen())).toEqual([
      ...['stopped', 'listening', 'connected', 'suspended'],
      ...['starting', 'listening', 'connected', 'suspended', 'stopped'],
    ])
    await eventually('the hooks to run', () => desktop.stateHooks().length >= 5)
    expect(desktop.stateHooks()).toEqual(['connected', 'suspended', 'connected', 'suspended', 'stopped'])
    await untilNoneIsLeft()
  })

  test('a session that nobody joins ends', async () => {
    await start()
    await serveTheNext()
    expect(seen()).not.toContain('connected')
  })

  test('a resumed session that nobody joins goes back to sleep', async () => {
    await bringTo.woken()
    await untilState('suspended')
    expect(await start()).toMatchObject({ ready: true, state: 'listening' })
  })

  test('two calls for the same start one session', async () => {
    const [first, second] = await Promise.all([start(), start()])
    expect([first.state, second.state]).toEqual(['listening', 'listening'])
    expect(await desktop.xAgents()).toBe(1)
    expect(desktop.changes.at(-1)?.session).toBe(1)
  })

  test('a start takes the display from a client that is there', async () => {
    await join()
    expect(await start()).toMatchObject({ ready: true, state: 'listening' })
    expect(await desktop.xAgents()).toBe(1)
    client = desktop.connect()
    await untilState('connected')
  })

  test('a session is refused to another user', async () => {
    await bringTo.suspended()
    await expect(start('nx', BOB)).rejects.toSatisfy(isFault('session.busy'))
    expect(await state()).toBe('suspended')
  })

  test('a stop gives up the start that is under way', async () => {
    await bringTo.starting()
    expect(await desktop.calls.x_stop({})).toEqual({ state: 'stopped' })
    await untilNoneIsLeft()
    await serveTheNext()
  })

  test('a browser brings a session to life without any client, and a client resumes it', async () => {
    const opened = await start('rfb')
    expect(opened.ready).toBe(true)
    expect(['connected', 'suspending', 'suspended']).toContain(opened.state)
    await untilState('suspended')
    expect((await start('rfb')).state).toBe('suspended')
    await join()
  })

  test('a client takes over from a browser at once', async () => {
    await start('rfb')
    await join()
    expect(await desktop.xAgents()).toBe(1)
  })

  test('a session ends with its program', async () => {
    await join()
    await desktop.endProgram()
    await serveTheNext()
  })

  test('a suspended session ends with its program', async () => {
    await bringTo.suspended()
    await desktop.endProgram()
    await serveTheNext()
  })

  describe.each(PLACES)('%s', (place) => {
    beforeEach(async () => {
      await bringTo[place]()
    })

    test('killed, it is stopped', async () => {
      await desktop.killXAgent()
      await serveTheNext()
    })

    test('when xinit is killed, nothing of it is left', async () => {
      await desktop.killXinit()
      await serveTheNext()
    })

    test('it can be stopped', async () => {
      expect(await desktop.calls.x_stop({})).toEqual({ state: 'stopped' })
      await serveTheNext()
    })

    test('it can be asked to suspend', async () => {
      const asked = desktop.calls.x_suspend({})
      if (place === 'suspending') client.breakLink()
      expect(SUSPENDED_FROM[place]).toContain((await asked).state)
    })

    test('it outlives its agent', async () => {
      await desktop.restartAgent()
      if (place === 'connected') expect(await state()).toBe('connected')
      if (place === 'suspending') client.breakLink()
      if (place === 'connected') client.leave()
      if (place === 'starting' || place === 'fresh' || place === 'stopping')
        return void (await serveTheNext())
      await untilState('suspended')
      await join()
    })
  })
}

/**
 * What a session may be after somebody asked for its suspension. One that nobody has joined has no work to keep, and where
 * nobody has the display there is nothing to wait for.
 */
const SUSPENDED_FROM: Readonly<Record<Place, readonly SessionState[]>> = {
  starting: ['starting', 'listening'],
  fresh: ['listening'],
  connected: ['suspended'],
  suspending: ['suspended'],
  suspended: ['suspended'],
  woken: ['suspended'],
  stopping: ['stopping', 'stopped'],
}

/** Without what passes so quickly that it may or may not be told apart. */
function essential(states: readonly SessionState[]): SessionState[] {
  const firstListens = states.indexOf('listening')
  return states.filter(
    (state, index) =>
      state !== 'suspending' &&
      state !== 'stopping' &&
      state !== 'provisioning' &&
      !(state === 'starting' && index < firstListens),
  )
}

/** Steps that the table does not know. */
export function illegalSteps(changes: SessionUnderTest['changes']): string[] {
  return changes.flatMap((change, index) => {
    const before = changes[index - 1]
    if (before?.life !== change.life || before.state === change.state) return []
    return mayFollow(before.state, change.state) ? [] : [`${before.state} -> ${change.state}`]
  })
}

function isFault(code: string): (error: unknown) => boolean {
  return (error) => error instanceof Fault && error.code === code
}
