import { run } from '@ostler/kit/run.ts'
import fc from 'fast-check'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { brokenAt, type Mistake } from './leases/world.ts'

const RUNS = Number(process.env['OSTLER_RUNS'] ?? 600)

describe('leases of three nodes', () => {
  test('never let a desktop run on two of them, whatever breaks', () => {
    let takeOvers = 0
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        expect(brokenAt(seed, undefined, (world) => (takeOvers += world.takeOvers))).toBeUndefined()
      }),
      { numRuns: RUNS },
    )
    // It would be easy never to start anything anew.
    expect(takeOvers).toBeGreaterThan(RUNS / 10)
  })

  test.each<Mistake>([
    'lease counts from the answer',
    'who does not answer is blind',
    'says blind and forgets nothing',
    'who is not known may declare',
    'a stopped node comes back with its old standing',
    'the fence is slow',
  ])('would be found out if this were so: %s', (mistake) => {
    const seeds = Array.from({ length: 20_000 }, (_, seed) => seed)
    expect(seeds.find((seed) => brokenAt(seed, mistake) !== undefined)).toBeDefined()
  })
})

test('so many worlds are played on demand, and one of them again', async () => {
  const play = async (...words: string[]): Promise<string> =>
    (await run(process.execPath, [join(import.meta.dirname, 'leases/play.ts'), ...words])).stdout
  const told = (text: string): string => /take-overs: .*/.exec(text)?.[0] ?? text
  const both = await play('--rounds', '300', '--seed', '7')
  expect(both).toContain('300 rounds from round 1 of seed 7')
  expect(both).toContain('on two nodes: never')
  expect(told(await play('--rounds', '300', '--seed', '7'))).toBe(told(both))
  const wrong = play('--rounds', '20000', '--mistake', 'who is not known may declare')
  await expect(wrong).rejects.toMatchObject({ exitCode: 1 })
})
