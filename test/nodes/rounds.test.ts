import { run } from '@ostler/kit/run.ts'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CLOCKS } from './clocks.ts'
import { FAULT_NAMES, planRound } from './plan.ts'
import { parseNodesOptions } from './options.ts'

/** What several nodes are for: power cut, hkd frozen, cut from the database, from the others, from both, and no database for anybody. */
const ROUNDS = 6
const LIMIT_MS = 600_000

test(
  'of two nodes one breaks in each way that nodes are for: no home ever has two writers, and every desktop comes back',
  async () => {
    const argv = [join(import.meta.dirname, 'run.ts'), '--rounds', String(ROUNDS), '--seed', '1']
    let said = ''
    const { stdout } = await run(process.execPath, argv, {
      timeoutMs: LIMIT_MS,
      onOutput: (chunk) => (said += chunk.toString()),
    }).catch((cause: unknown) => {
      throw new Error(said, { cause })
    })
    expect(stdout).toContain(`\n${ROUNDS} rounds in `)
    for (const name of FAULT_NAMES.slice(0, ROUNDS)) expect(stdout).toContain(`: ${name} (node `)
    // Each node has one of the steady desktops when a round begins: a fault after which none of them ended was none. That none ends
    // where only the others, or everybody's database, are away is for quiet machines: quick leases are short for a busy one.
    for (const name of ['power cut', 'hkd frozen for long', 'cut from database', 'cut from both'])
      expect(stdout).toMatch(new RegExp(`: ${name} \\(node [^\\n]*desktops back after \\d+ ms`))
  },
  LIMIT_MS,
)

test('a round is the same whatever was played before it', () => {
  const options = { ...parseNodesOptions(['--seed', '7']), clocks: CLOCKS.quick }
  expect(planRound(options, 12)).toEqual(planRound(options, 12))
  expect(planRound(options, 13)).not.toEqual(planRound(options, 12))
  const named = FAULT_NAMES.map((_, index) => planRound(options, index + 1).faults[0]?.name)
  expect(named).toEqual([...FAULT_NAMES])
})
