import fc from 'fast-check'
import { expect, test } from 'vitest'
import { queueNames } from './queue-name.ts'

test('a queue is called like its printer', () => {
  expect(queueNames(['laser', 'HP_4-2.b'])).toEqual(['QVD-laser', 'QVD-HP_4-2.b'])
})

test('what CUPS does not take in a name is replaced', () => {
  expect(queueNames(['Label printer', 'a/b#c', '-x', 'Büro', ''])).toEqual([
    'QVD-Label_printer',
    'QVD-a_b_c',
    'QVD--x',
    'QVD-B_ro',
    'QVD-_',
  ])
})

test('no two are the same, whatever the printers are called', () => {
  expect(queueNames(['a b', 'a_b', 'A_B', 'a_b-2'])).toEqual([
    'QVD-a_b',
    'QVD-a_b-2',
    'QVD-A_B-3',
    'QVD-a_b-2-2',
  ])
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 200 }), { maxLength: 30 }), (printers) => {
      const names = queueNames(printers)
      expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(printers.length)
      for (const name of names) expect(name).toMatch(/^QVD-[\w.-]{1,110}$/)
    }),
  )
})
