import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AGENT_VERDICTS, type AgentSeen, isGivenUp, judgeAgent } from './agent-verdict.ts'

const failure = fc.constantFrom('absent', 'refused', 'silent')
const seen: fc.Arbitrary<AgentSeen> = fc.record({
  up: fc.boolean(),
  known: fc.boolean(),
  failed: fc.record({ enrol: failure, watch: failure }, { requiredKeys: [] }),
  newest: fc.constantFrom('enrol', 'watch', undefined),
  silentMs: fc.integer({ min: 0, max: 400_000 }),
})

function down(more: Partial<AgentSeen>): AgentSeen {
  return { up: false, known: true, failed: {}, newest: 'watch', silentMs: 5_000, ...more }
}

describe('an agent', () => {
  test.each<[string, AgentSeen, ReturnType<typeof judgeAgent>]>([
    ['that answers', down({ up: true }), 'answers'],
    ['of which nothing was ever seen', down({ known: false, failed: { watch: 'absent' } }), 'notStarted'],
    ['that was there and is gone', down({ failed: { watch: 'absent' } }), 'unreachable'],
    [
      'that refuses secret and certificate',
      down({ failed: { enrol: 'refused', watch: 'refused' } }),
      'refusing',
    ],
    ['that takes the connection and says nothing', down({ failed: { watch: 'silent' } }), 'hung'],
    [
      'that says nothing, even if it refused the other way',
      down({ failed: { enrol: 'silent', watch: 'refused' } }),
      'hung',
    ],
    ['that refuses one way may take the other', down({ failed: { watch: 'refused' } }), undefined],
    ['that has just gone may be restarting', down({ failed: { watch: 'absent' }, silentMs: 999 }), undefined],
    ['that nobody has tried', down({ newest: undefined }), undefined],
  ])('%s', (_, given, verdict) => {
    expect(judgeAgent(given)).toBe(verdict)
  })

  test('is judged by what was seen alone, with one of the words', () => {
    fc.assert(
      fc.property(seen, (given) => {
        const verdict = judgeAgent(Object.freeze(given))
        expect(judgeAgent({ ...given })).toBe(verdict)
        expect(verdict === undefined || AGENT_VERDICTS.includes(verdict)).toBe(true)
        expect(verdict === 'answers').toBe(given.up)
      }),
    )
  })

  test('C-109 is given up after enough attempts and enough time, never after one of them alone', () => {
    const patience = { attempts: 10, ms: 320_000 }
    expect(isGivenUp({ attempts: 10, silentMs: 320_001 }, patience)).toBe(true)
    expect(isGivenUp({ attempts: 9, silentMs: 10 ** 9 }, patience)).toBe(false)
    expect(isGivenUp({ attempts: 10 ** 6, silentMs: 320_000 }, patience)).toBe(false)
  })
})
