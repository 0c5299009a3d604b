import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatAddress, freeAddress, macOf, parseAddress, prefixOf } from './address.ts'

const SUBNET = { gateway: '10.3.15.1', prefix: 24 }
const address = fc.integer({ min: 0, max: 2 ** 32 - 1 })

test('every address survives being written and read', () => {
  fc.assert(
    fc.property(address, (number) => {
      expect(parseAddress(formatAddress(number))).toBe(number)
    }),
  )
})

test.each(['', '1.2.3', '1.2.3.4.5', '256.0.0.1', '1.2.3.-4', ' 1.2.3.4', '1.2.3.4\n', 'a.b.c.d', '::1'])(
  '%j is no address',
  (text) => {
    expect(() => parseAddress(text)).toThrow(RangeError)
  },
)

test('every prefix is found again in its netmask', () => {
  for (let prefix = 0; prefix <= 32; prefix++)
    expect(prefixOf(formatAddress(2 ** 32 - 2 ** (32 - prefix)))).toBe(prefix)
})

test.each(['255.0.255.0', '0.0.0.255', '255.255.255.1', '127.0.0.0'])('%s is no netmask', (text) => {
  expect(() => prefixOf(text)).toThrow(`${text} is not a netmask`)
})

test('C-115: addresses are handed out from the top of the network down to ip.start', () => {
  const taken = new Set(['10.3.15.254', '10.3.15.253', '10.3.15.251'])
  expect(freeAddress('10.3.15.10', SUBNET, new Set())).toBe('10.3.15.254')
  expect(freeAddress('10.3.15.10', SUBNET, taken)).toBe('10.3.15.252')
  expect(freeAddress('10.3.15.251', SUBNET, new Set([...taken, '10.3.15.252']))).toBeUndefined()
})

test('the gateway, the network and the broadcast address are never given away', () => {
  const taken = new Set<string>()
  for (
    let free = freeAddress('10.3.15.0', SUBNET, taken);
    free;
    free = freeAddress('10.3.15.0', SUBNET, taken)
  )
    taken.add(free)
  expect(taken.size).toBe(253)
  for (const never of ['10.3.15.0', '10.3.15.1', '10.3.15.255']) expect(taken).not.toContain(never)
})

test('a full subnet has no free address', () => {
  const tiny = { gateway: '10.0.0.1', prefix: 30 }
  expect(freeAddress('10.0.0.1', tiny, new Set())).toBe('10.0.0.2')
  expect(freeAddress('10.0.0.1', tiny, new Set(['10.0.0.2']))).toBeUndefined()
})

test('a free address lies in the subnet, at or above the start, and is not taken', () => {
  const last = fc.integer({ min: 0, max: 255 })
  fc.assert(
    fc.property(last, fc.uniqueArray(last), (start, used) => {
      const taken = new Set(used.map((octet) => `10.3.15.${octet}`))
      const free = freeAddress(`10.3.15.${start}`, SUBNET, taken)
      if (free === undefined) return
      expect(free).toMatch(/^10\.3\.15\.\d+$/)
      expect(Number(free.split('.')[3])).toBeGreaterThanOrEqual(start)
      expect(taken).not.toContain(free)
    }),
  )
})

test('C-112: a hardware address is the prefix and the last three octets', () => {
  expect(macOf('54:52:00', '10.3.15.2')).toBe('54:52:00:03:0f:02')
  expect(macOf('54:52:00', '10.3.15.250')).toBe('54:52:00:03:0f:fa')
})
