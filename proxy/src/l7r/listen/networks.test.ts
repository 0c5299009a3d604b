import { expect, test } from 'vitest'
import { parseNetworks } from './networks.ts'

test('addresses and networks of both kinds', () => {
  const networks = parseNetworks('10.0.0.0/8, 192.0.2.7 2001:db8::/32,::1')
  const inside = ['10.1.2.3', '192.0.2.7', '2001:db8::1', '::1']
  const outside = ['11.0.0.1', '192.0.2.8', '2001:db9::1', '::2', '', 'x']
  expect(inside.filter((address) => !networks.has(address))).toEqual([])
  expect(outside.filter((address) => networks.has(address))).toEqual([])
})

test('nothing is nobody', () => {
  expect(parseNetworks(' ').has('127.0.0.1')).toBe(false)
})

test.each(['x', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/', '::/129', '10.0.0/8'])(
  '%s is refused by name',
  (word) => {
    expect(() => parseNetworks(`10.0.0.1,${word}`)).toThrow(`has "${word}"`)
  },
)
