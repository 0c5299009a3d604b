import { expect, test } from 'vitest'
import { isAlive, mayFollow, SESSION_STATES } from './session.ts'

test.each(SESSION_STATES)('%s may always be followed by stopped: a process can die', (state) => {
  expect(mayFollow(state, 'stopped')).toBe(true)
})

test('every state can be reached from stopped', () => {
  const seen = new Set(SESSION_STATES.slice(0, 1))
  for (const from of seen) for (const to of SESSION_STATES) if (mayFollow(from, to)) seen.add(to)
  expect([...seen].sort()).toEqual([...SESSION_STATES].sort())
})

test('a stopping session does nothing but stop', () => {
  expect(SESSION_STATES.filter((to) => mayFollow('stopping', to))).toEqual(['stopped'])
})

test.each([
  ['stopped', 'connected'],
  ['provisioning', 'listening'],
  ['connected', 'listening'],
  ['connected', 'starting'],
  ['suspended', 'connected'],
  ['listening', 'starting'],
] as const)('%s is never followed by %s at once', (from, to) => {
  expect(mayFollow(from, to)).toBe(false)
})

test('every session that shows something can be suspended and resumed', () => {
  const round = ['connected', 'suspending', 'suspended', 'starting', 'listening', 'connected'] as const
  expect(round.slice(1).map((to, index) => mayFollow(round[index] ?? 'stopped', to))).not.toContain(false)
})

test('a start that has to make the account goes through all states before the client', () => {
  const walk = ['stopped', 'starting', 'provisioning', 'starting', 'listening', 'connected'] as const
  expect(walk.slice(1).map((to, index) => mayFollow(walk[index] ?? 'stopped', to))).not.toContain(false)
})

test('programs live from connected until suspended', () => {
  expect(SESSION_STATES.filter(isAlive)).toEqual(['connected', 'suspending', 'suspended'])
})
