import { describe, expect, test } from 'vitest'
import { addressRanges } from './address-ranges.ts'

describe('an address lies in a range', () => {
  test.each([
    ['10.0.0.0/8', '10.200.3.4', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.1.2.3/8', '10.200.3.4', true],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '2001:db8::1', true],
    ['::/0', '203.0.113.9', false],
    ['2001:db8::/32', '2001:db8:1::5', true],
    ['2001:db8::/32', '2001:db9::5', false],
    ['2001:DB8::/32', '2001:db8:1::5', true],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['192.0.2.0/24', '::ffff:192.0.2.7', true],
    ['192.0.2.0/24', '::FFFF:192.0.2.7', true],
    ['192.0.2.0/24', '::ffff:198.51.100.7', false],
    ['192.0.2.0/31', '192.0.2.1', true],
    ['192.0.2.0/31', '192.0.2.2', false],
    ['::1', '::1', true],
    ['192.0.2.0/24', '', false],
    ['192.0.2.0/24', 'localhost', false],
  ])('%s and %s: %s', (range, address, inside) => {
    expect(addressRanges([range]).contains(address)).toBe(inside)
  })

  test('one of several is enough, and none of none', () => {
    const two = addressRanges(['10.0.0.0/8', '2001:db8::/32'])
    expect(['10.9.9.9', '2001:db8::1', '192.0.2.1'].map((address) => two.contains(address))).toEqual([
      true,
      true,
      false,
    ])
    expect(addressRanges([]).contains('10.0.0.1')).toBe(false)
  })
})

test.each([
  '',
  '10',
  '10.0.0',
  '10.0.0.0/33',
  '10.0.0.256',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  '2001:db8::/129',
  'fe80::1%eth0',
  '::ffff:10.0.0.0/104',
  'example.org',
  '10.0.0.0/8, 10.0.0.1',
])('"%s" is refused by its name', (text) => {
  expect(() => addressRanges(['192.0.2.1', text])).toThrow(`${text} is no address`)
})
