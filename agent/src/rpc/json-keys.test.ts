import fc from 'fast-check'
import { expect, test } from 'vitest'
import { repeatedKey } from './json-keys.ts'

test.each([
  ['{"a":1,"a":2}', 'a'],
  ['{"a":{"b":1},"b":2,"c":[{"b":1},{"b":2}],"c":3}', 'c'],
  ['{"x":[{"k":1, "k" :2}]}', 'k'],
  ['{"\\u0061":1,"a":2}', 'a'],
])('%s says a key twice', (text, key) => {
  expect(repeatedKey(text)).toBe(key)
})

test('whatever was written by a serializer has no repeated key', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => repeatedKey(JSON.stringify(value, null, 1)) === undefined))
})

test('a value may look like a key', () => {
  expect(repeatedKey('{"a":"\\"a\\":1","b":"a"}')).toBeUndefined()
})
