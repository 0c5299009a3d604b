import { BlockList, isIP } from 'node:net'

/** Addresses from which somebody may come. */
export interface AddressRanges {
  /** As they were given. */
  readonly texts: readonly string[]
  /** Says whether an address lies in one of them; what is no address lies in none. */
  contains(address: string): boolean
}

const IPV4_IN_IPV6 = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i

/**
 * Reads addresses and ranges such as `10.0.0.0/8`, `192.0.2.7` and `2001:db8::/32`. An IPv4 address that a socket
 * shows as IPv6 (`::ffff:192.0.2.7`) counts as what it is.
 * @throws Error naming the one that is none.
 */
export function addressRanges(texts: readonly string[]): AddressRanges {
  // One list would count an IPv4 address to ::/0, and to every range that holds ::ffff:0:0/96.
  const lists = { 4: new BlockList(), 6: new BlockList() }
  for (const text of texts) {
    const [, address = '', length] = /^([\d.]+|[\da-f:.]*:[\da-f:.]*)(?:\/(\d{1,3}))?$/i.exec(text) ?? []
    const version = isIP(address)
    const bits = version === 4 ? 32 : 128
    const prefix = Number(length ?? bits)
    if ((version !== 4 && version !== 6) || IPV4_IN_IPV6.test(address) || prefix > bits)
      throw new Error(`${text} is no address and no range such as 10.0.0.0/8 or 2001:db8::/32`)
    lists[version].addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6')
  }
  return {
    texts,
    contains: (given) => {
      const address = given.replace(IPV4_IN_IPV6, '').replace(/%.*$/, '')
      const version = isIP(address)
      if (version !== 4 && version !== 6) return false
      return lists[version].check(address, version === 4 ? 'ipv4' : 'ipv6')
    },
  }
}
