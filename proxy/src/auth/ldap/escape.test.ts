import fc from 'fast-check'
import { FilterParser } from 'ldapts'
import { expect, test } from 'vitest'
import { escapeInFilter, escapeInName, fill, isPlain, tidyFilter } from './escape.ts'

test.each([
  ['ann', 'ann'],
  ['a*b', 'a\\2ab'],
  ['*)(uid=*', '\\2a\\29\\28uid=\\2a'],
  ['a\\2a', 'a\\5c2a'],
  ['\0', '\\00'],
  ['ünï, #+=', 'ünï, #+='],
])('%j in a filter is %s', (value, escaped) => expect(escapeInFilter(value)).toBe(escaped))

test.each([
  ['ann', 'ann'],
  ['a,b+c="d"', 'a\\2cb\\2bc\\3d\\22d\\22'],
  ['#x#', '\\23x#'],
  [' x y ', '\\20x y\\20'],
  ['<a;b>\\', '\\3ca\\3bb\\3e\\5c'],
  ['ünï*()', 'ünï*()'],
])('%j in a name is %s', (value, escaped) => expect(escapeInName(value)).toBe(escaped))

test('whatever is filled into a filter is one value of it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (login) => {
      const text = fill('(&(objectClass=person)(uid=%u))', { u: login }, escapeInFilter)
      expect(FilterParser.parseString(text)).toMatchObject({
        filters: [{ value: 'person' }, { attribute: 'uid', value: login }],
      })
    }),
  )
})

test('places are filled in one pass, each as often as it stands there; others stay', () => {
  const as = (value: string): string => value
  expect(fill('%u-%d-%u', { u: '%d', d: '$&' }, as)).toBe('%d-$&-%d')
  expect(fill('%x 100% %', { u: 'ann' }, as)).toBe('%x 100% %')
})

test('filters may be written on several lines, and with escaped UTF-8', () => {
  expect(tidyFilter(' (& (uid=%u)\n  (| (a=1)  (b=2) ) )\n')).toBe('(&(uid=%u)(|(a=1)(b=2)))')
  expect(tidyFilter('(cn=J\\c3\\b6rg \\28x\\29)')).toBe('(cn=Jörg \\28x\\29)')
  expect(tidyFilter('(cn=Ann and Bob)')).toBe('(cn=Ann and Bob)')
})

test.each(['ann', 'ünïcødé', 'u\u0308nï', '王小明', 'ann lee', "o'neil", 'a@b'])('%j is plain', (login) =>
  expect(isPlain(login)).toBe(true),
)

test.each([
  'ａnn',
  'ann\u00ad',
  'an\u200bn',
  'ann  lee',
  ' ann',
  'ann ',
  'ﬁn',
  'ann\u3000',
  'a\nb',
  '\u{1d41a}nn',
  'an\ufe0fn',
])('%j is not plain', (login) => expect(isPlain(login)).toBe(false))
