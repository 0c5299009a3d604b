import { expect, test } from 'vitest'
import { AddressLimit } from './address-limit.ts'

test('so many and no more, until one has left', () => {
  const limit = new AddressLimit(2)
  const leave = limit.enter('192.0.2.1')
  expect(limit.enter('192.0.2.1')).toBeDefined()
  expect(limit.enter('192.0.2.1')).toBeUndefined()
  expect(limit.enter('192.0.2.2')).toBeDefined()
  leave?.()
  expect(limit.enter('192.0.2.1')).toBeDefined()
  expect(limit.enter('192.0.2.1')).toBeUndefined()
})

test('all of an IPv6 network counts as one', () => {
  for (const [first, second, together] of [
    ['2001:db8::1', '2001:db8:0:0:ffff::2', true],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['::1', '1::', false],
  ] as const) {
    const limit = new AddressLimit(1)
    limit.enter(first)
    expect(limit.enter(second) === undefined, `${first} ${second}`).toBe(together)
  }
})

test('0 is no limit', () => {
  const limit = new AddressLimit(0)
  for (let i = 0; i < 1_000; i++) expect(limit.enter('192.0.2.1')).toBeDefined()
})
