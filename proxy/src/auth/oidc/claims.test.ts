import { describe, expect, test } from 'vitest'
import { identityOf } from './claims.ts'

const SETTINGS = {
  label: 'The House',
  loginClaim: 'preferred_username',
  loginDomain: undefined,
  groupsClaim: 'groups',
  tenantClaim: undefined,
  caseSensitive: false,
}
const ANN = { preferred_username: 'ann' }

test('claims tell login, groups and tenant', () => {
  const claims = { ...ANN, groups: ['staff'], house: 'north' }
  expect(identityOf(claims, SETTINGS)).toEqual({ login: 'ann', groups: ['staff'], tenant: undefined })
  expect(identityOf(claims, { ...SETTINGS, tenantClaim: 'house', groupsClaim: undefined })).toEqual({
    login: 'ann',
    groups: [],
    tenant: 'north',
  })
})

describe('a login', () => {
  test('is trimmed and in small letters, unless the case counts', () => {
    expect(identityOf({ preferred_username: ' Ann ' }, SETTINGS).login).toBe('ann')
    expect(identityOf({ preferred_username: 'Ann' }, { ...SETTINGS, caseSensitive: true }).login).toBe('Ann')
  })

  test.each([
    undefined,
    null,
    42,
    '',
    ' ',
    ['ann'],
    { ann: 1 },
    '-ann',
    '1ann',
    'a nn',
    '../ann',
    'ann\0',
    'änn',
    'a'.repeat(33),
  ])('%j is none', (preferred_username) => {
    expect(() => identityOf({ preferred_username }, SETTINGS)).toThrow(/its claim preferred_username/)
  })

  test('loses its domain, which must be the right one', () => {
    const settings = { ...SETTINGS, loginDomain: 'house.example' }
    const login = (preferred_username: string): string => identityOf({ preferred_username }, settings).login
    expect(login('ann@house.example')).toBe('ann')
    expect(login('Ann@HOUSE.example')).toBe('ann')
    for (const other of [
      'ann',
      'ann@',
      'ann@evil.example',
      'ann@house.example@evil.example',
      '@house.example',
    ])
      expect(() => login(other)).toThrow(/its claim preferred_username/)
    expect(() => login('ann@evil.example@house.example')).toThrow(/no usable login/)
  })

  test('that is a mail address counts only when the provider has verified it', () => {
    const settings = { ...SETTINGS, loginClaim: 'email', loginDomain: 'house.example' }
    const email = 'ann@house.example'
    expect(identityOf({ email, email_verified: true }, settings).login).toBe('ann')
    for (const email_verified of [false, undefined, 'true', 1])
      expect(() => identityOf({ email, email_verified }, settings)).toThrow(/not verified/)
  })
})

describe('groups', () => {
  test.each([undefined, null, []])('may be %j', (groups) => {
    expect(identityOf({ ...ANN, groups }, SETTINGS).groups).toEqual([])
  })

  test.each(['staff', 42, {}, [42], [null], ['a', ['b']], ['x'.repeat(257)], Array(257).fill('g')])(
    'may not be %j',
    (groups) => {
      expect(() => identityOf({ ...ANN, groups }, SETTINGS)).toThrow(/its claim groups/)
    },
  )
})

test.each([undefined, null, '', 42, ['north'], 'x'.repeat(257)])('%j names no tenant', (house) => {
  expect(() => identityOf({ ...ANN, house }, { ...SETTINGS, tenantClaim: 'house' })).toThrow(
    'the sign-in at The House did not succeed: its claim house names no tenant',
  )
})

test('a value is never told', () => {
  expect(() => identityOf({ preferred_username: 'a secret!' }, SETTINGS)).not.toThrow(/secret/)
})
