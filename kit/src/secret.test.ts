import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Secret } from './secret.ts'

const hush = new Secret('hush')

test('the value can be had by asking for it', () => {
  expect(hush.reveal()).toBe('hush')
})

test.each([
  ['a text', String(hush)],
  ['a sum', 'the password is ' + String(hush)],
  ['JSON', JSON.stringify({ a: [hush] })],
  ['the debugger', inspect({ a: { b: { c: hush } } }, { depth: null, showHidden: true })],
  ['a format', format('%s %o %O %j', hush, hush, hush, hush)],
  ['its own keys', JSON.stringify(Object.entries(hush)) + '***'],
  ['an error', inspect(new Error('failed', { cause: hush }))],
])('it is not printed by %s', (_, printed) => {
  expect(printed).not.toContain('hush')
  expect(printed).toContain('***')
})
