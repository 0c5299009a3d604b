import { loadavg } from 'node:os'

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** The machine's load averages, which stand beside every figure. */
export function load(): string {
  return loadavg()
    .map((each) => each.toFixed(2))
    .join(' ')
}

export function median(all: readonly number[]): number {
  const sorted = all.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[half] ?? 0) : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2
}
