import { Fault } from '@ostler/contract/fault.ts'
import { expect, test } from 'vitest'
import { parseBasic } from './sign-in.ts'

const basic = (text: string, scheme = 'Basic') => `${scheme} ${Buffer.from(text).toString('base64')}`

test.each([
  ['ann:hush', 'ann', 'hush'],
  ['ann:a:b:c', 'ann', 'a:b:c'],
  ['ann:', 'ann', ''],
  ['änn:grüße 🗝', 'änn', 'grüße 🗝'],
  ['ann@example.org: x ', 'ann@example.org', ' x '],
])('%j is the login %j with the password %j', (text, login, password) => {
  const credentials = parseBasic(basic(text))
  expect([credentials.login, credentials.password.reveal()]).toEqual([login, password])
})

test('the name of the scheme may be in any case', () => {
  expect(parseBasic(basic('ann:hush', 'bASIC ')).login).toBe('ann')
})

test.each([
  '',
  'Basic',
  'Basic ',
  'Basic ???',
  'Bearer YW5uOmh1c2g=',
  basic('nocolon'),
  basic(':hush'),
  basic(''),
])('%j is refused', (header) => {
  expect(() => parseBasic(header)).toThrow(Fault)
  expect(() => parseBasic(header)).toThrow('the user name or the password is wrong')
})

test('the password is not printed with the credentials', () => {
  expect(JSON.stringify(parseBasic(basic('ann:hush')))).not.toContain('hush')
})
