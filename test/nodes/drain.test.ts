import { run } from '@ostler/kit/run.ts'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { Facts, Placed } from './drain.ts'

/** Two real nodes with desktops of the driver `process`; what was seen is judged here (drain.ts says how it was done). */
const LIMIT_MS = 400_000
let facts: Facts
let said = ''

beforeAll(async () => {
  const argv = [join(import.meta.dirname, 'drain.ts')]
  await run(process.execPath, argv, {
    timeoutMs: LIMIT_MS,
    onOutput: (chunk) => (said += chunk.toString()),
  }).catch((cause: unknown) => {
    throw new Error(said, { cause })
  })
  facts = JSON.parse(/^facts: (.*)$/m.exec(said)?.[1] ?? '{}') as Facts
}, LIMIT_MS)

const on = (placed: Placed, node: string): string[] =>
  Object.keys(placed).filter((name) => placed[name]?.on === node)

test('at first each node has a desktop', () => {
  expect([on(facts.begun, 'a'), on(facts.begun, 'b')].map((names) => names.length)).toEqual([1, 1])
})

test('a blocked node keeps what it has, and what is new starts on the other one', () => {
  expect(facts.blocked).toMatchObject(facts.begun)
  expect(on(facts.blocked, 'b')).toEqual(expect.arrayContaining(['user2', 'user3']))
  expect(on(facts.blocked, 'a')).toEqual(on(facts.begun, 'a'))
})

test('in maintenance its desktops are asked to end, and those of the other node go on as they were', () => {
  const others = Object.entries(facts.blocked).filter(([, { on }]) => on === 'b')
  expect(facts.emptied).toEqual(Object.fromEntries(others))
})

test('whoever comes back has her desktop on the other node, as a new boot over the same home', () => {
  const [moved = ''] = on(facts.begun, 'a')
  expect(facts.again[moved]?.on).toBe('b')
  expect(facts.again[moved]?.boot).not.toBe(facts.begun[moved]?.boot)
})

test('an open node is chosen again, since it is the emptier one', () => {
  expect(facts.open['user4']?.on).toBe('a')
  expect(facts.open).toMatchObject(facts.again)
})

test('no home had two writers, and none lost a line', () => {
  expect(facts.wrong).toEqual([])
  expect(said).not.toContain('WRONG')
})
