import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { boxKey, openWith, sealFor, sealWith } from './sealed-box.ts'

const key = boxKey('a long secret', 'tests')

test('what was sealed for a key is opened by it, also when that is derived anew', () => {
  const sealed = sealFor(key.publicKey, 'hush, ü')
  expect(Buffer.from(sealed, 'base64').includes('hush')).toBe(false)
  expect(boxKey('a long secret', 'tests').open(sealed)).toBe('hush, ü')
  expect(sealFor(key.publicKey, 'hush, ü')).not.toBe(sealed)
})

test.each([
  ['another secret', boxKey('another secret', 'tests')],
  ['another purpose', boxKey('a long secret', 'more tests')],
])('%s does not open it', (_, other) => {
  expect(other.publicKey).not.toBe(key.publicKey)
  expect(() => other.open(sealFor(key.publicKey, 'hush'))).toThrow()
})

test('what was altered or cut is not opened', () => {
  const sealed = Buffer.from(sealFor(key.publicKey, 'hush'), 'base64')
  for (const at of [0, 33, 45, sealed.length - 1]) {
    const altered = Buffer.from(sealed)
    altered[at] = (altered[at] ?? 0) ^ 1
    expect(() => key.open(altered.toString('base64')), `byte ${at}`).toThrow()
  }
  for (const length of [0, 20, 40, 50, sealed.length - 1])
    expect(() => key.open(sealed.subarray(0, length).toString('base64')), `cut to ${length}`).toThrow()
})

test('a shared key seals and opens', () => {
  const shared = randomBytes(32)
  const sealed = sealWith(shared, 'hush')
  expect(openWith(shared, sealed)).toBe('hush')
  expect(() => openWith(randomBytes(32), sealed)).toThrow()
})
