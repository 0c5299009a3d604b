import { BlockList, isIP } from 'node:net'

/** An address and a port that only this machine reaches. */
export interface LoopbackAddress {
  readonly host: string
  readonly port: number
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8)
LOOPBACK.addAddress('::1', 'ipv6')

/**
 * Reads `127.0.0.1:9464` or `[::1]:9464`; nothing is `undefined`.
 * @throws Error for what others could reach, and for anything else.
 */
export function parseLoopback(text: string): LoopbackAddress | undefined {
  if (text === '') return undefined
  const [, v6, v4, digits] = /^(?:\[([\da-f:]+)\]|([\d.]+)):(\d{1,5})$/i.exec(text) ?? []
  const host = v6 ?? v4 ?? ''
  const port = Number(digits)
  const family = isIP(host)
  if (family === 0 || !(port >= 1 && port <= 65_535)) throw new Error('is neither empty nor ADDRESS:PORT')
  if (!LOOPBACK.check(host, family === 6 ? 'ipv6' : 'ipv4'))
    throw new Error('is no loopback address: others could read it')
  return { host, port }
}
