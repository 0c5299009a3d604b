import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseProperties } from './properties.ts'

function pairs(text: string): [string, string][] {
  return parseProperties(text, 'f').properties.map(({ key, value }) => [key, value])
}

test.each([
  ['a = b', 'a', 'b'],
  ['a: b', 'a', 'b'],
  ['a=b', 'a', 'b'],
  ['  a  =  b c  ', 'a', 'b c'],
  ['a =', 'a', ''],
  ['a  b c', 'a', 'b c'],
  ['a b=c', 'a', 'b=c'],
  ['a = b=c:d', 'a', 'b=c:d'],
  ['a = x # y ; z ! w', 'a', 'x # y ; z ! w'],
  ['a\\ b\\=c = d', 'a b=c', 'd'],
  ['a = \\t\\n\\r\\\\\\:\\=\\#', 'a', '\t\n\r\\:=#'],
  ['a = \\u00e9\\u20AC', 'a', 'é€'],
  ['a = ${b}', 'a', '${b}'],
])('%j is read as %j and %j', (line, key, value) => {
  expect(pairs(line)).toEqual([[key, value]])
})

test('blank lines and lines with # or ! are comments', () => {
  expect(pairs('# a = 1\n\n  ! b = 2\n   \nc = 3')).toEqual([['c', '3']])
})

test('a backslash at the end of a line continues it without the blanks of the next', () => {
  expect(pairs('a = one,\\\n    two,\\\r\n  three\nb = 1')).toEqual([
    ['a', 'one,two,three'],
    ['b', '1'],
  ])
})

test('two backslashes at the end of a line are one backslash and the end', () => {
  expect(pairs('a = c:\\\\\nb = 1')).toEqual([
    ['a', 'c:\\'],
    ['b', '1'],
  ])
})

test('a property knows its file and the first of its lines', () => {
  const { properties } = parseProperties('\n# x\na = 1\\\n2\nb = 3', '/etc/qvd/node.conf')
  expect(properties.map(({ file, line }) => `${file}:${line}`)).toEqual([
    '/etc/qvd/node.conf:3',
    '/etc/qvd/node.conf:5',
  ])
})

test('a line without a separator is a problem, and the others are read all the same', () => {
  const { properties, problems } = parseProperties('a = 1\nnonsense\nb = 2\n= 3', 'f')
  expect(properties.map(({ key }) => key)).toEqual(['a', 'b'])
  expect(problems).toEqual([
    { file: 'f', line: 2, text: 'expected "key = value"' },
    { file: 'f', line: 4, text: 'expected "key = value"' },
  ])
})

test('no text makes it throw, and every line becomes at most one thing', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '=', ':', '\\', '\n', '\r', ' ', '#', 'u', '0') }),
      (text) => {
        const { properties, problems } = parseProperties(text, 'f')
        const lines = [...properties, ...problems].map(({ line }) => line)
        expect(new Set(lines).size).toBe(lines.length)
      },
    ),
  )
})
