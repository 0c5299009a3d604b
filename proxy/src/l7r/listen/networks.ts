import { BlockList, isIP } from 'node:net'

/** A set of addresses. */
export interface Networks {
  /** @param address without zone and without the IPv4-in-IPv6 prefix. */
  has(address: string): boolean
}

/**
 * Reads addresses and networks such as `10.0.0.0/8`, with commas or blanks between them; empty: none.
 * @throws Error whose message completes "KEY …".
 */
export function parseNetworks(text: string): Networks {
  const list = new BlockList()
  for (const word of text.split(/[\s,]+/).filter((part) => part !== '')) {
    const [address = '', bits, ...more] = word.split('/')
    const version = isIP(address)
    const widest = version === 4 ? 32 : 128
    const prefix = bits === undefined ? widest : Number(bits)
    if (version === 0 || more.length > 0 || !/^\d{1,3}$/.test(bits ?? '0') || prefix > widest)
      throw new Error(`has "${word}", which is neither an address nor a network such as 10.0.0.0/8`)
    list.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6')
  }
  return { has: (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') }
}
