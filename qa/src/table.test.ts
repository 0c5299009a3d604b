import { expect, test } from 'vitest'
import { table } from './table.ts'

test('columns are as wide as their widest value, and no line ends in blanks', () => {
  expect(
    table([
      { id: 1, name: 'a' },
      { id: 100, name: 'longer' },
    ]),
  ).toEqual(['id   name', '1    a', '100  longer'])
})

test('no rows make no lines', () => {
  expect(table([])).toEqual([])
})

test('nothing is a dash, a truth is a word, a structure is JSON', () => {
  expect(table([{ a: null, b: undefined, c: false, d: { e: 1 }, f: 0 }])[1]?.split(/\s+/)).toEqual([
    ...['-', '-', 'false', '{"e":1}', '0'],
  ])
})

test('the first row says which columns there are', () => {
  expect(table([{ a: 'x' }, { b: 'y' }])).toEqual(['a', 'x', '-'])
})
