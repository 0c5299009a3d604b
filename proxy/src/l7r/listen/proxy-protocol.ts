import { isIP } from 'node:net'

/** What a PROXY header says, and how many bytes it takes. */
export interface ProxyHeader {
  /** The client's address; `undefined` when the balancer speaks for itself, as its health checks do. */
  readonly address: string | undefined
  readonly length: number
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_HEAD = 16
const V1_MAX = 107
/** Addresses, and what a balancer adds about TLS and the like. */
const V2_MAX = 4_096

/**
 * Reads a header of the PROXY protocol, version 1 or 2, at the begin of a connection.
 *
 * @returns `incomplete` while more bytes are needed, `wrong` for anything else than a header.
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | 'incomplete' | 'wrong' {
  const compared = Math.min(bytes.length, SIGNATURE.length)
  if (bytes.subarray(0, compared).equals(SIGNATURE.subarray(0, compared)))
    return bytes.length < V2_HEAD ? 'incomplete' : parseBinary(bytes)
  const end = bytes.subarray(0, V1_MAX).indexOf('\r\n')
  if (end !== -1) return parseText(bytes.toString('latin1', 0, end), end + 2)
  const begin = bytes.toString('latin1', 0, 6)
  return bytes.length < V1_MAX && 'PROXY '.startsWith(begin) ? 'incomplete' : 'wrong'
}

function parseText(line: string, length: number): ProxyHeader | 'wrong' {
  const [word, family, source = '', target = '', ...ports] = line.split(' ')
  if (word !== 'PROXY') return 'wrong'
  if (family === 'UNKNOWN') return { address: undefined, length }
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : undefined
  const good = isIP(source) === version && isIP(target) === version && ports.length === 2
  return good && ports.every((port) => /^\d{1,5}$/.test(port)) ? { address: source, length } : 'wrong'
}

function parseBinary(bytes: Buffer): ProxyHeader | 'incomplete' | 'wrong' {
  const command = bytes.readUInt8(12)
  const family = bytes.readUInt8(13)
  const length = V2_HEAD + bytes.readUInt16BE(14)
  if ((command !== 0x20 && command !== 0x21) || length > V2_MAX) return 'wrong'
  if (bytes.length < length) return 'incomplete'
  if (command === 0x20 || family === 0x00) return { address: undefined, length }
  if (family === 0x11 && length >= V2_HEAD + 12)
    return { address: [...bytes.subarray(16, 20)].join('.'), length }
  if (family === 0x21 && length >= V2_HEAD + 36)
    return { address: textOfIPv6(bytes.subarray(16, 32)), length }
  return 'wrong'
}

function textOfIPv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  // The one way of writing that everybody else uses too.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
