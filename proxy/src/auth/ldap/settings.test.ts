import { loadConfig } from '@ostler/kit/config.ts'
import { expect, test } from 'vitest'
import { AUTH_OPTIONS } from '../options.ts'
import { ldapSettings } from './settings.ts'

function settings(more: Readonly<Record<string, string>>) {
  const texts = { 'auth.ldap.host': 'ldap://a', ...more }
  return ldapSettings(loadConfig(AUTH_OPTIONS, [], texts).values)
}

test('directories stand in a row, with commas or blanks between, as URIs or as names', () => {
  const { directories } = settings({
    'auth.ldap.host':
      ' ldap://a.example,ldaps://b.example:1636/  [::1]:390,\tc.example ldap://192.0.2.1/dc=x',
  })
  expect(directories).toEqual([
    { uri: 'ldap://a.example', host: 'a.example', port: 389, tls: false },
    { uri: 'ldaps://b.example:1636', host: 'b.example', port: 1636, tls: true },
    { uri: 'ldap://[::1]:390', host: '::1', port: 390, tls: false },
    { uri: 'ldap://c.example', host: 'c.example', port: 389, tls: false },
    { uri: 'ldap://192.0.2.1', host: '192.0.2.1', port: 389, tls: false },
  ])
})

test.each([
  '',
  ' , ',
  'ldapi:///run/ldapi',
  'ldap://',
  'https://a',
  'ldap://a?x',
  'ldap://u:p@a',
  'ldap://a b://c',
  'ldap://a:99999',
])('auth.ldap.host %j is refused by name', (host) =>
  expect(() => settings({ 'auth.ldap.host': host })).toThrow('auth.ldap.host'),
)

test('a pattern alone needs no search; with a base it has one', () => {
  const pattern = { 'auth.ldap.userbindpattern': 'uid=%u,dc=x' }
  expect(settings(pattern).users).toBeUndefined()
  expect(settings({ ...pattern, 'auth.ldap.base': 'dc=x' }).users).toMatchObject({
    base: 'dc=x',
    scope: 'base',
  })
  // The root of a global catalogue has an empty name.
  expect(settings({}).users).toMatchObject({ base: '', filter: '(uid=%u)' })
})

test('an account without a password is the user', () => {
  expect(settings({}).account).toBeUndefined()
  expect(settings({ 'auth.ldap.binddn': 'uid=%u' }).account).toEqual({ name: 'uid=%u', password: undefined })
  const account = settings({ 'auth.ldap.binddn': 'cn=reader', 'auth.ldap.bindpass': 'secret' })
  expect(account.account?.password?.reveal()).toBe('secret')
  expect(JSON.stringify(account)).not.toContain('secret')
})
