import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AGENT_VERDICTS } from './agent-verdict.ts'
import { explain, type ExplainFacts } from './explain.ts'
import { VM_STATES } from './vm-machine.ts'
import { mergeWishes, type Wish, WISH_KINDS } from './wish.ts'

const AT = '2026-01-01T00:00:00.000Z'
const PLAIN: ExplainFacts = {
  name: 'desk',
  state: 'stopped',
  since: AT,
  host: null,
  wishes: [],
  place: { kind: 'next' },
  image: { tag: 'default', next: 'plain', blocked: false },
  blocked: [],
  maintenance: [],
  pool: null,
  homeTakenBy: null,
  nodes: 1,
  failures: 0,
  nextTryAt: null,
  fault: null,
  agent: null,
  seat: null,
  step: null,
}
const wish = (more: Partial<Wish> = {}): Wish => ({
  number: 1,
  kind: 'run',
  by: 'ann',
  reason: 'connect',
  at: AT,
  ...more,
})
const said = (more: Partial<ExplainFacts>): string => explain({ ...PLAIN, ...more }).join('\n')

/** None of them is what must never be said, such as `null`. */
const word = fc.stringMatching(/^[a-k]{1,8}$/)
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary)
const facts: fc.Arbitrary<ExplainFacts> = fc.record({
  name: word,
  state: fc.constantFrom(...VM_STATES),
  since: fc.constant(AT),
  host: orNull(word),
  wishes: fc.uniqueArray(
    fc.record({
      number: fc.integer({ min: 1, max: 99 }),
      kind: fc.constantFrom(...WISH_KINDS),
      by: word,
      reason: word,
      at: fc.constant(AT),
      connection: orNull(word),
      interactive: fc.boolean(),
      persistent: fc.boolean(),
    }),
    { maxLength: 5, selector: ({ number }) => number },
  ),
  place: fc.oneof(
    fc.constant({ kind: 'next' } as const),
    fc.record({ kind: fc.constant('queued' as const), position: fc.integer({ min: 1, max: 500 }) }),
    fc.record({ kind: fc.constant('held' as const), reason: word }),
  ),
  image: fc.record({ tag: word, next: orNull(word), blocked: fc.boolean() }),
  blocked: fc.uniqueArray(fc.constantFrom('the desktop', 'its user', 'her tenant', 'its node')),
  maintenance: fc.array(fc.record({ what: fc.constantFrom('the desktop', 'its pool'), said: word }), {
    maxLength: 2,
  }),
  pool: orNull(
    fc.record({
      name: word,
      user: orNull(word),
      waiting: fc.integer({ min: 0, max: 3 }),
      reset: orNull(
        fc.record({
          of: word,
          since: fc.constant(AT),
          nodes: fc.array(word, { maxLength: 2 }),
          trouble: orNull(word),
        }),
      ),
    }),
  ),
  homeTakenBy: orNull(word),
  nodes: fc.integer({ min: 0, max: 3 }),
  failures: fc.integer({ min: 0, max: 9 }),
  nextTryAt: orNull(fc.constant(AT)),
  fault: orNull(fc.record({ text: word, code: orNull(word), cure: orNull(word) })),
  agent: orNull(
    fc.record({ verdict: fc.constantFrom(...AGENT_VERDICTS), said: orNull(word), since: fc.constant(AT) }),
  ),
  seat: orNull(fc.record({ label: word, since: fc.constant(AT) })),
  step: orNull(fc.record({ step: word, at: fc.constant(AT) })),
})

describe('whatever the facts are', () => {
  test('it says something, in whole sentences, with nothing that is not known', () => {
    fc.assert(
      fc.property(facts, (given) => {
        const sentences = explain(given)
        expect(sentences.length).toBeGreaterThanOrEqual(2)
        expect(sentences[0]).toContain(given.name)
        for (const sentence of sentences) {
          expect(sentence).toMatch(/^[A-Za-z0-9].*[a-z.\]]$/s)
          expect(sentence).not.toMatch(/undefined|null|\[object|NaN/)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('it names the wish that decides, by whom, why and through which connection, or says that there is none', () => {
    fc.assert(
      fc.property(facts, (given) => {
        const text = explain(given).join('\n')
        const decides = mergeWishes(given.wishes)?.wish
        if (decides === undefined) return void expect(text).toContain('Nobody wishes anything')
        const line = text.split('\n').find((each) => each.startsWith('What decides: ')) ?? ''
        expect(line).toContain(`${decides.by} `)
        expect(line).toContain(`(${decides.reason})`)
        if (decides.connection != null) expect(line).toContain(`connection ${decides.connection}`)
        // Every open wish is named: what is outweighed, too.
        expect(text.split('\n').filter((each) => /^(What decides|That outweighs)/.test(each))).toHaveLength(
          given.wishes.length,
        )
      }),
      { numRuns: 2_000 },
    )
  })

  test('a failure is told with its code and its cure', () => {
    fc.assert(
      fc.property(facts, (given) => {
        const text = explain(given).join('\n')
        expect(text.includes('What went wrong last')).toBe(given.fault !== null)
        if (given.fault?.code != null) expect(text).toContain(`[${given.fault.code}]`)
        if (given.fault?.cure != null) expect(text).toContain(`What to try: ${given.fault.cure}`)
      }),
    )
  })

  test('a desktop at rest that is wished up always has a reason why it does not run yet', () => {
    fc.assert(
      fc.property(facts, (given) => {
        if (!['stopped', 'failed'].includes(given.state)) return
        if (mergeWishes(given.wishes)?.goal !== 'up') return
        expect(explain(given).join('\n')).toMatch(
          /It waits|Nothing holds it|no image with|is blocked|has the same home|No node takes|not tried again before/,
        )
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('it says', () => {
  test.each<[string, Partial<ExplainFacts>, RegExp]>([
    [
      'its position',
      { wishes: [wish()], place: { kind: 'queued', position: 7 } },
      /as number 7 in the queue/,
    ],
    [
      'what holds it',
      { wishes: [wish()], place: { kind: 'held', reason: 'no room' } },
      /It waits: no room\./,
    ],
    [
      'that its image is missing',
      { wishes: [wish()], image: { ...PLAIN.image, next: null } },
      /no image with the tag/,
    ],
    [
      'that its image is blocked',
      { wishes: [wish()], image: { ...PLAIN.image, blocked: true } },
      /plain, .* is blocked/,
    ],
    ['who has its home', { wishes: [wish()], homeTakenBy: 'other' }, /other has the same home/],
    ['that no node is there', { wishes: [wish()], nodes: 0 }, /No node takes desktops/],
    ['that it starts at once', { wishes: [wish()] }, /Nothing holds it/],
    [
      'who has it of its pool',
      { pool: { name: 'lab', user: 'ann', waiting: 2, reset: null } },
      /desktop of the pool lab: ann has it\.\n2 wait for a desktop of lab\./,
    ],
    [
      'that it waits for its reset',
      {
        wishes: [wish({ kind: 'spare', by: 'pool' })],
        pool: {
          name: 'lab',
          user: null,
          waiting: 0,
          reset: { of: 'ann', since: AT, nodes: ['node2'], trouble: 'it was not reset: away' },
        },
      },
      /holds data of ann, .* reset, by node2, .*\.\nSo far it was not reset: away\.\n[^]*It waits for its reset/,
    ],
    [
      'that it is looked after, and what users read',
      { maintenance: [{ what: 'its node', said: 'new disks' }] },
      /Looked after: its node\. .* users read: new disks\./,
    ],
    [
      'that it stops to be looked after',
      { state: 'running', wishes: [wish({ kind: 'maintenance', by: 'administrator' })] },
      /administrator wants it to stop, since it is looked after/,
    ],
    [
      'when it is tried again',
      { state: 'failed', failures: 3, nextTryAt: AT, wishes: [wish({ kind: 'spare' })] },
      /Its last 3 starts failed; .* before 2026/,
    ],
    [
      'that it hangs, and is stopped for it',
      { state: 'running', agent: { verdict: 'hung', said: 'no heartbeat', since: AT } },
      /agent hangs, since .*: no heartbeat\.\nIt is stopped/,
    ],
    [
      'that somebody works there all the same',
      {
        state: 'running',
        agent: { verdict: 'hung', said: null, since: AT },
        seat: { label: 'ann, browser', since: AT },
      },
      /not stopped .* as long as somebody sits there/,
    ],
    [
      'that a user waits',
      { wishes: [wish({ interactive: true, connection: 'k3j9x2mp' })] },
      /ann wants it to run \(connect\).*connection k3j9x2mp, and waits for it/,
    ],
    [
      'what an order to stop outweighs',
      {
        state: 'running',
        wishes: [wish(), wish({ number: 2, kind: 'stop', by: 'administrator', reason: 'qa' })],
      },
      /What decides: administrator wants it to stop.*\nThat outweighs, or is newer than: ann/,
    ],
    ['what is blocked', { blocked: ['its user'] }, /Blocked: its user\./],
    [
      'how far its start came',
      { state: 'booting', step: { step: 'booting', at: AT } },
      /as far as "booting"/,
    ],
  ])('%s', (_, given, expected) => {
    expect(said(given)).toMatch(expected)
  })
})
