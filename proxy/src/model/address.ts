/** A private network for desktops. */
export interface Subnet {
  /** The node's own address in it, the desktops' gateway. */
  readonly gateway: string
  readonly prefix: number
}

/** Reads a dotted address; throws RangeError when it is none. */
export function parseAddress(text: string): number {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number)
  if (parts === undefined || parts.some((part) => part > 255))
    throw new RangeError(`${text} is not an IPv4 address`)
  return parts.reduce((sum, part) => sum * 256 + part, 0)
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}

/** The length of a netmask such as 255.255.0.0; throws RangeError when its ones do not stand together. */
export function prefixOf(netmask: string): number {
  const mask = parseAddress(netmask)
  const prefix = mask.toString(2).replaceAll('0', '').length
  if (mask !== (prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0))
    throw new RangeError(`${netmask} is not a netmask`)
  return prefix
}

/** A network's first and last address: its own and the broadcast's. */
export function networkOf({ gateway, prefix }: Subnet): { first: number; last: number } {
  const size = 2 ** (32 - prefix)
  const first = Math.floor(parseAddress(gateway) / size) * size
  return { first, last: first + size - 1 }
}

/** The highest free address, from the end of the subnet down to `start`; `undefined` when all are taken. */
export function freeAddress(start: string, subnet: Subnet, taken: ReadonlySet<string>): string | undefined {
  const { first, last } = networkOf(subnet)
  const lowest = Math.max(parseAddress(start), first + 1)
  for (let address = last - 1; address >= lowest; address--) {
    const text = formatAddress(address)
    if (text !== subnet.gateway && !taken.has(text)) return text
  }
  return undefined
}

/** A desktop's hardware address: the prefix and the last three octets of its address (compatibility page 7.6). */
export function macOf(prefix: string, address: string): string {
  const octets = formatAddress(parseAddress(address)).split('.').slice(1)
  return [prefix, ...octets.map((octet) => Number(octet).toString(16).padStart(2, '0'))].join(':')
}
