import { isIPv6 } from 'node:net'

/** Counts connections by address. */
export class AddressLimit {
  readonly #most: number
  readonly #counts = new Map<string, number>()

  /** @param most connections of one address; 0: any number. */
  constructor(most: number) {
    this.#most = most
  }

  /** Lets a connection in. @returns what must be called once when it is gone; `undefined` when there are too many. */
  enter(address: string): (() => void) | undefined {
    const key = ownerOf(address)
    const count = this.#counts.get(key) ?? 0
    if (this.#most > 0 && count >= this.#most) return undefined
    this.#counts.set(key, count + 1)
    return () => {
      const left = (this.#counts.get(key) ?? 1) - 1
      if (left > 0) this.#counts.set(key, left)
      else this.#counts.delete(key)
    }
  }
}

/** Whoever has one IPv6 address has all of its /64. */
function ownerOf(address: string): string {
  if (!isIPv6(address)) return address
  const [left = '', right = ''] = address.split('::', 2)
  const groups = left.split(':')
  if (!address.includes('::')) return groups.slice(0, 4).join(':')
  const missing = 8 - groups.length - (right === '' ? 0 : right.split(':').length)
  const whole = [...groups, ...Array<string>(Math.max(missing, 0)).fill('0'), ...right.split(':')]
  return whole
    .slice(0, 4)
    .map((group) => (group === '' ? '0' : group))
    .join(':')
}
