import { expect, test } from 'vitest'
import { accountNameProblem } from './account-name.ts'

test.each([
  'ann',
  'Ann.Lee',
  'night shift',
  'a',
  'x'.repeat(20),
  'común',
  'community',
  'nullable',
  'com',
  'com10',
])('%j can be a user', (name) => {
  expect(accountNameProblem(name)).toBeUndefined()
})

test.each([
  ['', 'empty'],
  ['x'.repeat(21), 'longer than 20'],
  ['CON', 'device'],
  ['con.txt', 'device'],
  ['lpt1', 'device'],
  ['aux', 'device'],
  ['ann.', 'dot'],
  ['ann ', 'blank'],
  [' ann', 'blank'],
  ['...', 'dot'],
  ['a/b', 'character'],
  ['a\\b', 'character'],
  ['a@b', 'character'],
  ['a*', 'character'],
  ['[a]', 'character'],
  ['a"b', 'character'],
  ['a\nb', 'character'],
  ['Administrator', 'system'],
  ['GUEST', 'system'],
  ['system', 'system'],
  ['Public', 'system'],
])('%j cannot be: %s', (name, problem) => {
  expect(accountNameProblem(name)).toContain(problem)
})
