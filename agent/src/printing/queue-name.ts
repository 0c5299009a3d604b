/** How the queues of a client's printers begin, as with QVD (compatibility page 4.7): nobody else's may be touched. */
export const QUEUE_PREFIX = 'QVD-'

/** CUPS takes 127 characters; the prefix and a number need some. */
const LONGEST = 100

/**
 * Names for queues, one for each of the client's printers: what CUPS does not take is replaced, and no two are the same, also
 * where only case tells them apart (CUPS does not see the case of names).
 */
export function queueNames(printers: readonly string[]): string[] {
  const taken = new Set<string>()
  return printers.map((printer) => {
    const plain = printer.replaceAll(/[^\w.-]+/g, '_').slice(0, LONGEST) || '_'
    let name = plain
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${plain}-${number}`
    taken.add(name.toLowerCase())
    return `${QUEUE_PREFIX}${name}`
  })
}
