import { readFileSync } from 'node:fs'

/** One line that a desktop has written to its home, and that was on the disk before the next one. */
export interface HomeEntry {
  readonly number: number
  /** A name that each boot draws anew. */
  readonly boot: string
  readonly node: string
  /** By the kernel's monotonic clock, in milliseconds. */
  readonly atMs: number
  /** The last number that stood there before. */
  readonly found: string
}

/**
 * Says whether a home had one writer at a time, and has lost nothing: it looks at what the desktops themselves have written, and at
 * nothing that a node says. What it has read once must stand there for ever.
 */
export class HomeWitness {
  readonly #path: () => string
  #read = ''
  readonly entries: HomeEntry[] = []
  readonly #replaced = new Set<string>()

  /** @param path of the file, which may come to be later. */
  constructor(path: () => string) {
    this.#path = path
  }

  /** Reads what has come since the last time. @returns what is wrong, in words. */
  look(): string[] {
    let text: string
    try {
      text = readFileSync(this.#path(), 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      text = ''
    }
    return this.judge(text)
  }

  /** @param text the whole file, as it is now. */
  judge(text: string): string[] {
    if (!text.startsWith(this.#read)) return ['what was written and on the disk is gone, or another']
    // A line that is just being written has no end yet.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    const lines = whole.slice(this.#read.length).split('\n').filter(Boolean)
    this.#read = whole
    return lines.flatMap((line) => this.#judgeLine(line))
  }

  /** The boot that wrote last, as far as was read. */
  get last(): HomeEntry | undefined {
    return this.entries.at(-1)
  }

  #judgeLine(line: string): string[] {
    const [, number = '', boot = '', node = '', at = '', found = ''] =
      /^(\d+) (\w+) (\S+) (\d+) (\S+)$/.exec(line) ?? []
    if (number === '') return [`a line is torn: ${line.slice(0, 100)}`]
    const entry: HomeEntry = { number: Number(number), boot, node, atMs: Number(at), found }
    const before = this.last
    this.entries.push(entry)
    const wrong: string[] = []
    const who = `boot ${boot} on ${node}`
    const expected = (before?.number ?? 0) + 1
    if (entry.number !== expected) wrong.push(`${who} has written ${number} where ${expected} comes next`)
    if (found !== String(expected - 1)) wrong.push(`${who} has found ${found} before its ${number}`)
    if (before !== undefined && before.boot !== boot) this.#replaced.add(before.boot)
    if (this.#replaced.has(boot)) wrong.push(`${who} writes after a newer one has begun`)
    return wrong
  }
}

/** How long a home was not written to, at most, in a time that has passed: milliseconds. */
export function longestSilence(entries: readonly HomeEntry[], fromMs: number, untilMs: number): number {
  const within = entries.map(({ atMs }) => atMs).filter((at) => at > fromMs && at < untilMs)
  const times = [fromMs, ...within, untilMs]
  return Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at)))
}
