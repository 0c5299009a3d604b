import { Fault } from '@ostler/contract/fault.ts'
import { expect, test } from 'vitest'
import { environmentOf, parseAuthorization } from './credentials.ts'

const encoded = (text: string, scheme = 'Basic') => `${scheme} ${Buffer.from(text).toString('base64')}`

test.each([
  ['ann:hush', 'ann', 'hush'],
  ['ann:a:b:c', 'ann', 'a:b:c'],
  ['ann:', 'ann', ''],
  ['änn:grüße 🗝', 'änn', 'grüße 🗝'],
  ['ann@example.org: x ', 'ann@example.org', ' x '],
])('%j is the login %j with the password %j', (text, login, password) => {
  const credentials = parseAuthorization(encoded(text))
  if (credentials?.scheme !== 'basic') throw new Error('not basic')
  expect([credentials.login, credentials.password.reveal()]).toEqual([login, password])
})

test('the name of the scheme may be in any case', () => {
  expect(parseAuthorization(encoded('ann:hush', 'bASIC '))).toMatchObject({ login: 'ann' })
})

test.each([['abc'], ['abc\n'], [' abc ']])('a token may come with blanks around it: %j', (text) => {
  const credentials = parseAuthorization(encoded(text, 'Bearer'))
  if (credentials?.scheme !== 'bearer') throw new Error('not bearer')
  expect(credentials.token.reveal()).toBe('abc')
})

test('without a header there are no credentials', () => {
  expect(parseAuthorization(undefined)).toBeUndefined()
})

test.each([
  '',
  'Basic',
  'Basic ',
  'Basic ???',
  'Digest abc',
  'Bearer',
  encoded(' \n', 'Bearer'),
  encoded('nocolon'),
  encoded(':hush'),
  encoded(''),
  encoded('ann\0:hush'),
  encoded('ann:hu\nsh'),
])('%j is refused', (header) => {
  expect(() => parseAuthorization(header)).toThrow(Fault)
  expect(() => parseAuthorization(header)).toThrow('the user name or the password is wrong')
})

test('the password is not printed with the credentials', () => {
  expect(JSON.stringify(parseAuthorization(encoded('ann:hush')))).not.toContain('hush')
})

test('a client shares its environment by name and value', () => {
  const headers = new Map([
    ['auth-666f6f', 'YmFy'],
    ['auth-6b', ''],
    ['auth-zz', 'YmFy'],
    ['auth-666', 'YmFy'],
    ['auth-66', '???'],
    ['auth-67', Buffer.from('a\nb').toString('base64')],
    ['authorization', 'Basic eDp5'],
  ])
  expect([...environmentOf(headers)]).toEqual([
    ['foo', 'bar'],
    ['k', ''],
  ])
})

test('no more is shared than anybody needs', () => {
  const many = Array.from({ length: 500 }, (_, i) => [`auth-${(i + 0x6161).toString(16)}`, 'YQ=='] as const)
  expect(environmentOf(new Map(many)).size).toBe(64)
})
