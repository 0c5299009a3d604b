import { expect, test } from 'vitest'
import { groupNames, parametersOf, userFacts } from './entry.ts'

function facts(attributes: Readonly<Record<string, readonly (string | Buffer)[]>>, typed = 'ann') {
  const bytes = Object.entries(attributes).map(
    ([name, values]) => [name.toLowerCase(), values.map((value) => Buffer.from(value as string))] as const,
  )
  return userFacts({ dn: 'uid=ann', attributes: new Map(bytes) }, typed, 'memberOf')
}

test.each([
  ['1', '1'],
  ['2147483647', '2147483647'],
  ['2147483648', undefined],
  ['0', undefined],
  ['-5', undefined],
  ['05', undefined],
  ['5 ', undefined],
  ['5\n', undefined],
  ['1e3', undefined],
  ['', undefined],
])('uidNumber %j is the uid %s', (value, uid) => {
  const { unusable, ...rest } = facts({ uidNumber: [value], gidNumber: [value] })
  expect(rest).toMatchObject({ uid, gid: uid })
  expect(unusable).toEqual(uid === undefined ? ['uidNumber', 'gidNumber'] : [])
})

test.each(['home/ann', '', '/home/\u0007', '/home/a\nb', `/${'x'.repeat(1_024)}`])('%j is no home', (home) =>
  expect(facts({ homeDirectory: [home] })).toMatchObject({ home: undefined, unusable: ['homeDirectory'] }),
)

test('of several names the one that she typed is hers, else the first', () => {
  expect(facts({ uid: ['other', 'Ann'] }).name).toBe('Ann')
  expect(facts({ uid: ['other', 'more'] }).name).toBe('other')
  expect(facts({ sAMAccountName: ['Ann'] }).name).toBe('Ann')
  expect(facts({ uid: ['a\nb'] }).name).toBeUndefined()
  expect(facts({ uid: [Buffer.from([0xff, 0xfe])] })).toMatchObject({ name: undefined, unusable: ['uid'] })
})

test('an entry without anything gives nothing', () => {
  const nothing = facts({})
  expect(nothing).toMatchObject({ isDisabled: false, groups: [], unusable: [], primaryGroup: undefined })
  expect(parametersOf(nothing, true)).toEqual({})
})

test.each([
  ['512', false],
  ['514', true],
  ['66050', true],
  ['nonsense', false],
])('userAccountControl %s: disabled %s', (value, isDisabled) =>
  expect(facts({ userAccountControl: [value] })).toMatchObject({ isDisabled }),
)

test('the primary group has the SID of the user, with its own number', () => {
  const sid = Buffer.from('0105000000000005150000000100000002000000ffffffffe8030000', 'hex')
  expect(facts({ objectSid: [sid], primaryGroupID: ['513'] }).primaryGroup).toBe(
    'S-1-5-21-1-2-4294967295-513',
  )
  for (const broken of [Buffer.alloc(0), sid.subarray(0, 20), Buffer.from('S-1-5-21')])
    expect(facts({ objectSid: [broken], primaryGroupID: ['513'] }).primaryGroup).toBeUndefined()
  expect(facts({ objectSid: [sid], primaryGroupID: ['x'] }).primaryGroup).toBeUndefined()
})

test('groups are named by the first part of their DN, or as they are, each once', () => {
  const values = [
    'CN=Sales\\, North,OU=Groups,DC=example,DC=org',
    'cn=a\\2bb+x=1,dc=org',
    'cn = J\\c3\\b6rg , dc=org',
    'plain',
    'plain',
    'cn=plain',
    'cn=\\"q\\"',
    '',
    'cn=,dc=org',
    'cn=a\\0ab',
  ]
  expect(groupNames(values)).toEqual(['Sales, North', 'a+b', 'Jörg', 'plain', '"q"'])
})
