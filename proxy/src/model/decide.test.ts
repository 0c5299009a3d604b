import { describe, expect, test } from 'vitest'
import { decide, type VmFacts } from './decide.ts'
import { HYPERVISORS } from './hypervisor-kind.ts'
import { deadlineOf, next, VM_STATES, type VmState } from './vm-machine.ts'

const AGES = [0, 29_999, 30_000, 30_001, 40_000, 40_001, 60_000, 60_001, 240_001, 600_000, 600_001, 10 ** 12]
const GOALS = ['up', 'down', undefined] as const
const PROCESSES = ['present', 'absent', 'unknown'] as const
const EFFECTS = ['pending', 'done', 'failed'] as const
const BOTH = [true, false]

/** Every combination of facts. */
const ALL: readonly VmFacts[] = VM_STATES.flatMap((state) =>
  AGES.flatMap((ageMs) =>
    GOALS.flatMap((goal) =>
      PROCESSES.flatMap((processes) =>
        EFFECTS.flatMap((effect) =>
          BOTH.flatMap((agentUp) =>
            BOTH.flatMap((faulty) =>
              BOTH.flatMap((agentLost) =>
                BOTH.flatMap((mayTry) =>
                  BOTH.flatMap((resetAsked) =>
                    HYPERVISORS.map((hypervisor) => ({
                      ...{ state, ageMs, goal, processes, effect, agentUp, faulty, hypervisor },
                      ...{ agentLost, mayTry, resetAsked },
                    })),
                  ),
                ),
              ),
            ),
          ),
        ),
      ),
    ),
  ),
)

const isReset = ({ state, resetAsked }: VmFacts): boolean => state === 'failed' && resetAsked

function facts(state: VmState, more: Partial<VmFacts> = {}): VmFacts {
  return {
    state,
    hypervisor: 'lxc',
    ageMs: 0,
    goal: undefined,
    processes: 'present',
    effect: 'done',
    agentUp: false,
    agentLost: false,
    faulty: false,
    mayTry: true,
    resetAsked: false,
    ...more,
  }
}

describe('for every combination of facts', () => {
  test('an event is an edge of the table', () => {
    const wrong = ALL.filter((given) => {
      const event = decide(given)
      return event !== undefined && next(given.state, event) === undefined
    })
    expect(ALL).toHaveLength(8 * 12 * 3 * 3 * 3 * 2 ** 5 * HYPERVISORS.length)
    expect(wrong).toEqual([])
  })

  test('the same facts give the same event, and the facts stay as they are', () => {
    const wrong = ALL.filter((given) => {
      const frozen = Object.freeze({ ...given })
      return decide(frozen) !== decide(frozen) || decide({ ...given }) !== decide(given)
    })
    expect(wrong).toEqual([])
  })

  test('a desktop leaves `lost` only when its processes are known to be gone', () => {
    const left = ALL.filter((given) => given.state === 'lost' && decide(given) !== undefined)
    expect(left.length).toBeGreaterThan(0)
    expect(left.every((given) => given.processes === 'absent')).toBe(true)
  })

  test('a desktop with processes, or perhaps with some, never becomes stopped from a state that had them', () => {
    const wrong = ALL.filter((given) => {
      const event = decide(given)
      const to = event === undefined ? undefined : next(given.state, event)
      return to === 'stopped' && given.state !== 'failed' && given.processes !== 'absent'
    })
    expect(wrong).toEqual([])
  })

  test('nothing but a stopped desktop that is wished up begins to start', () => {
    const starting = ALL.filter((given) => {
      const event = decide(given)
      return event !== undefined && next(given.state, event) === 'preparing'
    })
    expect(starting.length).toBeGreaterThan(0)
    expect(starting.every((given) => given.state === 'stopped' && given.goal === 'up')).toBe(true)
  })

  test('nothing starts without a wish, and a failed desktop rests', () => {
    const unwished = ALL.filter(
      ({ state, goal }) => goal !== 'up' && (state === 'stopped' || state === 'failed'),
    )
    expect(unwished.filter((given) => decide(given) !== (isReset(given) ? 'reset' : undefined))).toEqual([])
  })

  test('past its deadline a state is always left, unless its effect is still under way', () => {
    const overdue = ALL.filter(
      ({ state, hypervisor, ageMs }) => ageMs > (deadlineOf(state, hypervisor) ?? Infinity),
    )
    const waits = (given: VmFacts): boolean =>
      given.effect === 'pending' && (given.state === 'preparing' || given.state === 'booting')
    const stuck = overdue.filter((given) => !waits(given) && decide(given) === undefined)
    expect(overdue.filter(waits).every((given) => decide(given) === undefined)).toBe(true)
    expect(stuck).toEqual([])
  })

  test('a deadline strikes only when it has passed', () => {
    const early = ALL.filter(
      (given) =>
        decide(given) === 'deadline' &&
        given.ageMs <= (deadlineOf(given.state, given.hypervisor) ?? Infinity),
    )
    expect(early).toEqual([])
  })

  test('a desktop wished up is never told to stop', () => {
    expect(ALL.filter((given) => given.goal === 'up' && decide(given) === 'stop')).toEqual([])
  })

  test('a desktop is stopped for its agent only while it runs, and when the agent is given up', () => {
    const lost = ALL.filter((given) => decide(given) === 'agentLost')
    expect(lost.length).toBeGreaterThan(0)
    expect(lost.every(({ state, agentLost }) => state === 'running' && agentLost)).toBe(true)
  })

  test('a failed desktop is left by a wish that may be tried, or by order, and by nothing else', () => {
    const left = ALL.filter((given) => given.state === 'failed' && decide(given) !== undefined)
    expect(left.every(({ goal, mayTry, resetAsked }) => resetAsked || (goal === 'up' && mayTry))).toBe(true)
  })

  test('a desktop runs only when its agent answers and nobody wishes it down', () => {
    const up = ALL.filter((given) => decide(given) === 'agentUp')
    expect(up.length).toBeGreaterThan(0)
    expect(up.every(({ agentUp, goal }) => agentUp && goal !== 'down')).toBe(true)
  })
})

describe('row by row', () => {
  test.each([
    [
      'a stopped desktop starts when wished up',
      facts('stopped', { goal: 'up', processes: 'absent' }),
      'start',
    ],
    ['a stopped desktop rests when wished down', facts('stopped', { goal: 'down' }), undefined],
    ['preparing waits for its effect', facts('preparing', { effect: 'pending' }), undefined],
    ['preparing ends when its effect is done', facts('preparing'), 'prepared'],
    ['a failed preparation is a fault', facts('preparing', { effect: 'failed', goal: 'down' }), 'fault'],
    [
      'a wish to stop waits for the preparation',
      facts('preparing', { effect: 'pending', goal: 'down' }),
      undefined,
    ],
    ['a prepared desktop wished down stops', facts('preparing', { goal: 'down' }), 'stop'],
    [
      'a preparation under way is waited for: its parts have time-outs of their own',
      facts('preparing', { effect: 'pending', ageMs: 600_001 }),
      undefined,
    ],
    [
      'a wish to stop waits for a boot under way',
      facts('booting', { effect: 'pending', goal: 'down', processes: 'absent' }),
      undefined,
    ],
    [
      'a stopped desktop with living processes does not start',
      facts('stopped', { goal: 'up', processes: 'present' }),
      undefined,
    ],
    ['a booting desktop waits for its agent', facts('booting'), undefined],
    ['a booting desktop runs with its agent', facts('booting', { agentUp: true }), 'agentUp'],
    ['a boot that failed is a fault', facts('booting', { effect: 'failed', agentUp: true }), 'fault'],
    ['a guest that ends while booting has exited', facts('booting', { processes: 'absent' }), 'exited'],
    [
      'a guest that is not there yet has not exited',
      facts('booting', { processes: 'absent', effect: 'pending' }),
      undefined,
    ],
    ['a booting desktop wished down stops', facts('booting', { goal: 'down', agentUp: true }), 'stop'],
    ['a boot without an agent is given up', facts('booting', { ageMs: 60_001 }), 'deadline'],
    ['a running desktop runs on', facts('running', { agentUp: true, goal: 'up' }), undefined],
    [
      'a running desktop outlives its agent',
      facts('running', { agentUp: false, ageMs: 10 ** 12 }),
      undefined,
    ],
    [
      'C-109 but not for ever: one whose agent was given up stops',
      facts('running', { agentLost: true }),
      'agentLost',
    ],
    [
      'an order to stop is what is said of it, given up or not',
      facts('running', { agentLost: true, goal: 'down' }),
      'stop',
    ],
    [
      'an agent that is given up does not end a boot: its deadline does',
      facts('booting', { agentLost: true }),
      undefined,
    ],
    [
      'C-110 a desktop that does not halt by its deadline is forced',
      facts('stopping', { ageMs: 40_001 }),
      'deadline',
    ],
    ['a running desktop wished down stops', facts('running', { goal: 'down' }), 'stop'],
    ['a running desktop whose processes ended exits', facts('running', { processes: 'absent' }), 'exited'],
    ['nobody could look: a running desktop runs', facts('running', { processes: 'unknown' }), undefined],
    ['stopping waits for the processes', facts('stopping'), undefined],
    ['stopping goes on although it is wished up again', facts('stopping', { goal: 'up' }), undefined],
    ['stopping ends with the last process', facts('stopping', { processes: 'absent' }), 'exited'],
    ['a desktop that does not stop is killed', facts('stopping', { ageMs: 40_001 }), 'deadline'],
    ['a killed desktop has exited', facts('killing', { processes: 'absent' }), 'exited'],
    ['a desktop killed for a fault fails', facts('killing', { processes: 'absent', faulty: true }), 'fault'],
    [
      'a desktop that cannot be killed is lost',
      facts('killing', { ageMs: 30_001, processes: 'unknown' }),
      'deadline',
    ],
    ['a lost desktop stays lost for ever', facts('lost', { ageMs: 10 ** 12, goal: 'up' }), undefined],
    ['a lost desktop that was seen dead exits', facts('lost', { processes: 'absent' }), 'exited'],
    ['a failed desktop is reset when wished up', facts('failed', { goal: 'up' }), 'reset'],
    [
      'a failed desktop that may not be tried rests',
      facts('failed', { goal: 'up', mayTry: false }),
      undefined,
    ],
    [
      'a failed desktop is reset by order, wished up or not',
      facts('failed', { mayTry: false, resetAsked: true }),
      'reset',
    ],
  ])('%s', (_, given, event) => {
    expect(decide(given)).toBe(event)
  })
})
