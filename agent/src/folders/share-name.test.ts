import { expect, test } from 'vitest'
import { shareName } from './share-name.ts'

test.each([
  ['docs', 'docs'],
  ['/home/u', 'u'],
  ['C:\\', 'C'],
  ['C:\\Users\\ann\\', 'ann'],
  ['/', 'shares'],
  ['D:\\Users\\Ann\\', 'Ann'],
  ['/media/disk//', 'disk'],
  ['..', '_.'],
  ['/a/.config', '_config'],
  ['-o allow_other', '_o allow_other'],
  ['new\nline', 'new_line'],
  ['ä ö', 'ä ö'],
  ['x'.repeat(300), 'x'.repeat(80)],
])('%j is called %j', (wanted, name) => {
  expect(shareName(wanted, new Set())).toBe(name)
})

test('names that are taken get the next number', () => {
  expect(shareName('docs', new Set(['docs', 'docs-2']))).toBe('docs-3')
})
