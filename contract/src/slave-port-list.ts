import { parsePort } from './slave.ts'

/** Ports that are allowed. */
export interface PortList {
  readonly isEmpty: boolean
  has(port: number): boolean
}

/**
 * Reads a list of ports and ranges by commas or blanks: `22, 8000-8010`.
 * @throws Error whose message completes "KEY …", for a word that is neither.
 */
export function parsePorts(text: string): PortList {
  const words = text.split(/[\s,]+/).filter(Boolean)
  const ranges = words.map((word) => {
    const [first = '', last = first, more] = word.split('-')
    const [from, to] = [parsePort(first), parsePort(last)]
    if (from === undefined || to === undefined || from > to || more !== undefined)
      throw new Error(`has no port or range in "${word}"`)
    return { from, to }
  })
  return {
    isEmpty: ranges.length === 0,
    has: (port) => ranges.some(({ from, to }) => port >= from && port <= to),
  }
}
