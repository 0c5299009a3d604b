import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  itemState,
  planWaves,
  progressOf,
  type RollOutCandidate,
  type RollOutFacts,
  type RollOutItem,
  rollOutStep,
  triesOf,
} from './roll-out.ts'
import { VM_STATES } from './vm-machine.ts'

const SETTINGS = {
  canary: { count: 1 },
  wave: { count: 10 },
  pauseMs: 1_000,
  idle: 'restart',
  stopOn: 1,
} as const

/** A desktop that has come up with the new image. */
function item(over: Partial<RollOutItem> = {}): RollOutItem {
  return {
    vmId: 1,
    name: 'desk',
    wave: 1,
    state: 'sent',
    tried: false,
    wasUp: true,
    vmState: 'running',
    inScope: true,
    runs: 'new',
    used: false,
    startable: true,
    wished: false,
    upMs: 5_000,
    hardInMs: null,
    failure: null,
    backFailure: null,
    backWished: false,
    ...over,
  }
}
function facts(items: readonly RollOutItem[], over: Partial<RollOutFacts> = {}): RollOutFacts {
  return {
    settings: SETTINGS,
    state: 'running',
    reason: '',
    wave: 1,
    waves: 2,
    sinceSentMs: 5_000,
    sinceBackMs: null,
    obstacle: null,
    items,
    ...over,
  }
}
const OLD = { runs: 'other' } as const
const REST = { runs: null, vmState: 'stopped' } as const
const FAILED = { runs: null, vmState: 'failed', failure: 'no boot' } as const

describe('the order', () => {
  const candidate = fc.record({
    state: fc.constantFrom(...VM_STATES),
    used: fc.boolean(),
    startable: fc.boolean(),
  })
  const share = fc.oneof(
    fc.record({ count: fc.integer({ min: 0, max: 40 }) }),
    fc.record({ percent: fc.integer({ min: 0, max: 100 }) }),
  )

  test('has every desktop once, no wave larger than asked for, and none that is empty', () => {
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 40 }), share, share, (some, canary, wave) => {
        const desktops = some.map((one, index): RollOutCandidate => ({ ...one, vmId: index + 1 }))
        const plan = planWaves(desktops, { canary, wave })
        expect(plan.map(({ vmId }) => vmId).toSorted((a, b) => a - b)).toEqual(
          desktops.map(({ vmId }) => vmId),
        )
        const sizes = new Map<number, number>()
        for (const each of plan) sizes.set(each.wave, (sizes.get(each.wave) ?? 0) + 1)
        expect([...sizes.keys()]).toEqual([...sizes.keys()].map((_, index) => index + 1))
        const count = (asked: typeof canary): number =>
          'count' in asked ? asked.count : Math.ceil((asked.percent * desktops.length) / 100)
        const most = Math.max(1, count(canary), count(wave))
        expect(Math.max(0, ...sizes.values())).toBeLessThanOrEqual(most)
      }),
    )
  })

  test('the canary takes whom it harms least: idle ones, then ones at rest, then those in use', () => {
    const desktops: RollOutCandidate[] = [
      { vmId: 1, state: 'running', used: true, startable: true },
      { vmId: 2, state: 'stopped', used: false, startable: false },
      { vmId: 3, state: 'stopped', used: false, startable: true },
      { vmId: 4, state: 'running', used: false, startable: true },
    ]
    const order = (count: number): number[] =>
      planWaves(desktops, { canary: { count }, wave: { percent: 100 } })
        .filter(({ wave }) => wave === 1)
        .map(({ vmId }) => vmId)
    expect([order(1), order(2), order(3)]).toEqual([[4], [4, 3], [4, 3, 1]])
  })

  test('only those of the canary that are at rest and can be started are tried', () => {
    const items = [
      item({ vmId: 1 }),
      item({ vmId: 2, ...REST }),
      item({ vmId: 3, ...REST, startable: false }),
      item({ vmId: 4, ...REST, wished: true }),
      item({ vmId: 5, ...REST, wave: 2 }),
    ]
    expect(triesOf(facts(items))).toEqual([2])
    expect(triesOf(facts(items, { settings: { ...SETTINGS, canary: { count: 0 } } }))).toEqual([])
  })
})

describe('a roll-out goes on', () => {
  test.each<[string, RollOutFacts, unknown]>([
    ['with its first wave', facts([item(OLD)], { wave: 0 }), { do: 'send', wave: 1, last: false }],
    [
      'with one that is the last as well',
      facts([item(OLD)], { wave: 0, waves: 1 }),
      { do: 'send', wave: 1, last: true },
    ],
    [
      'when its canary is well',
      facts([item(), item({ wave: 2, ...OLD })]),
      { do: 'send', wave: 2, last: true },
    ],
    ['not while one of the canary is in use', facts([item(), item({ ...OLD, used: true })]), { do: 'wait' }],
    ['not while one of the canary starts', facts([item(), item({ vmState: 'booting' })]), { do: 'wait' }],
    ['not when nobody of the canary runs', facts([item(REST)]), { do: 'wait' }],
    [
      'without one that has failed and is tried again, later and later',
      facts([item({ wave: 2 }), item({ wave: 2, ...FAILED, wished: true })], {
        ...{ wave: 2, waves: 3 },
        settings: { ...SETTINGS, stopOn: 2 },
      }),
      { do: 'send', wave: 3 },
    ],
    ['without one that was stopped meanwhile', facts([item(), item(REST)]), { do: 'send' }],
    [
      'without one that has another tag now',
      facts([item(), item({ ...OLD, inScope: false })]),
      { do: 'send' },
    ],
    ['not before it was quiet for a while', facts([item({ upMs: 999 })]), { do: 'wait' }],
    ['not right after it was sent', facts([item()], { sinceSentMs: 10 }), { do: 'wait' }],
    [
      'while those of a wave wait for their users',
      facts([item({ wave: 2, ...OLD, used: true, hardInMs: 60_000 })], { wave: 2, waves: 3 }),
      { do: 'send', wave: 3 },
    ],
    [
      'not while those of a wave are being ended',
      facts([item({ wave: 2, ...OLD, hardInMs: -1 })], { wave: 2, waves: 3 }),
      { do: 'wait' },
    ],
    [
      'to its end after the last',
      facts([item()], { waves: 1 }),
      { do: 'finish', why: '1 run the new image' },
    ],
    ['to its end without any desktop', facts([], { waves: 1 }), { do: 'finish' }],
    [
      'after a boot that began just before its image was changed',
      facts([item({ vmId: 8, ...OLD, upMs: 100 })]),
      { do: 'end boots', vmIds: [8] },
    ],
  ])('%s', (_, given, step) => {
    expect(rollOutStep(given)).toMatchObject(step as object)
  })
})

describe('a roll-out turns back', () => {
  test.each<[string, RollOutFacts]>([
    ['when one fails', facts([item(FAILED), item()])],
    ['when one of an earlier wave fails', facts([item(FAILED), item({ wave: 2 })], { wave: 2 })],
    [
      'when the whole canary fails, whatever number is allowed',
      facts([item(FAILED)], { settings: { ...SETTINGS, stopOn: 5 } }),
    ],
    ['when its image cannot be used any more', facts([item()], { obstacle: 'the new image was blocked' })],
    ['when it was told to', facts([item()], { state: 'stopping', reason: 'stopped by ann' })],
  ])('%s', (_, given) => {
    expect(rollOutStep(given).do).toBe('turn back')
  })

  test('but not for fewer failures than are told to end it', () => {
    const allowing = { settings: { ...SETTINGS, stopOn: 2 } }
    expect(rollOutStep(facts([item(FAILED), item()], allowing)).do).toBe('send')
  })
})

describe('the way back', () => {
  const back = (items: readonly RollOutItem[], sinceBackMs = 1_000): RollOutFacts =>
    facts(items, { state: 'stopping', reason: 'desk did not start', sinceBackMs })

  test.each<[string, RollOutFacts, unknown]>([
    [
      'starts again what was up and has failed',
      back([item({ vmId: 3, ...FAILED })]),
      { do: 'start again', vmIds: [3] },
    ],
    ['but not twice', back([item({ ...FAILED, backWished: true })]), { do: 'end' }],
    [
      'nor what was not up before',
      back([item({ ...FAILED, wasUp: false })]),
      { do: 'end', as: 'rolled back' },
    ],
    ['waits for those under way', back([item({ vmState: 'stopping' })]), { do: 'wait' }],
    ['but not for ever', back([item({ vmState: 'stopping' })], 1_000_000), { do: 'end', as: 'failed' }],
    ['ends when all are back', back([item(OLD), item(REST)]), { do: 'end', as: 'rolled back' }],
    [
      'says who does not come up with the old image either',
      back([item({ ...REST, backFailure: 'gone' })]),
      { do: 'end', as: 'failed' },
    ],
    [
      'leaves those who work with the new one',
      back([item({ used: true })]),
      { do: 'end', as: 'rolled back' },
    ],
    [
      'ends a boot that began just before',
      back([item({ vmId: 4, upMs: 10 })]),
      { do: 'end boots', vmIds: [4] },
    ],
  ])('%s', (_, given, step) => {
    expect(rollOutStep(given)).toMatchObject(step as object)
  })
})

test('every fact has a step, and one that waits or ends says why', () => {
  const someItem = fc
    .record({
      wave: fc.integer({ min: 1, max: 3 }),
      vmState: fc.constantFrom(...VM_STATES),
      runs: fc.constantFrom('new', 'other', null),
      used: fc.boolean(),
      wished: fc.boolean(),
      wasUp: fc.boolean(),
      inScope: fc.boolean(),
      upMs: fc.integer({ min: 0, max: 5_000 }),
      hardInMs: fc.option(fc.integer({ min: -10, max: 10 })),
      failure: fc.option(fc.constant('no boot')),
      backFailure: fc.option(fc.constant('no boot')),
    } as const)
    .map((over) => item(over))
  const someFacts = fc.record({
    wave: fc.integer({ min: 0, max: 3 }),
    state: fc.constantFrom('running', 'stopping'),
    sinceSentMs: fc.integer({ min: 0, max: 5_000 }),
    sinceBackMs: fc.option(fc.integer({ min: 0, max: 2_000_000 })),
  } as const)
  fc.assert(
    fc.property(fc.array(someItem, { maxLength: 8 }), someFacts, (items, over) => {
      const given = facts(items, { ...over, waves: 3, reason: 'told' })
      const step = rollOutStep(given)
      if ('why' in step) expect(step.why).not.toBe('')
      // Nothing more is sent once as many have failed as end it, or on the way back.
      const failed = items.some(({ failure, inScope }) => failure !== null && inScope)
      if (failed || given.state === 'stopping') expect(step.do).not.toBe('send')
      expect(progressOf(items.map((each) => itemState(each, 2, over.sinceBackMs !== null)))).not.toBe('')
    }),
  )
})
