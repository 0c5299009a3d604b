import { run } from '@ostler/kit/run.ts'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FAULT_NAMES, planRound } from './plan.ts'
import { parseChaosOptions } from './options.ts'

/** Every fault that scripted machines can suffer has its turn once. */
const ROUNDS = FAULT_NAMES.length - 1
const LIMIT_MS = 600_000

test(
  'a node is broken in every way, mends itself, loses nothing, and leaves nothing behind',
  async () => {
    const argv = [join(import.meta.dirname, 'run.ts'), '--rounds', String(ROUNDS), '--seed', '1']
    const { stdout } = await run(process.execPath, argv, { timeoutMs: LIMIT_MS }).catch((error: unknown) => {
      throw new Error('see what it has printed', { cause: error })
    })
    expect(stdout).toContain(`\n${ROUNDS} rounds in `)
  },
  LIMIT_MS,
)

test('a round is the same whatever was played before it', () => {
  const options = parseChaosOptions(['--seed', '7'])
  const [once, again] = [planRound(options, 12), planRound(options, 12)]
  expect(once).toEqual(again)
  expect(planRound(options, 13)).not.toEqual(once)
  const named = Array.from({ length: ROUNDS }, (_, index) => planRound(options, index + 1).faults[0]?.name)
  expect(new Set(named).size).toBe(ROUNDS)
})
