import type { FaultName } from './plan.ts'

interface Measured {
  readonly detectMs: number | undefined
  readonly recoverMs: number
}

/** How often each fault was tried, how soon somebody said a word about it, and how soon all was well again. */
export class FaultMatrix {
  readonly #rows = new Map<FaultName, Measured[]>()

  add(name: FaultName, measured: Measured): void {
    this.#rows.set(name, [...(this.#rows.get(name) ?? []), measured])
  }

  /** Milliseconds of our clock. */
  lines(): string[] {
    const head = ['fault', 'times', 'noticed p50', 'p95', 'max', 'mended p50', 'p95', 'max']
    const rows = [...this.#rows].map(([name, all]) => {
      const seen = all.flatMap(({ detectMs }) => detectMs ?? [])
      return [
        name,
        String(all.length),
        ...quantiles(seen),
        ...quantiles(all.map(({ recoverMs }) => recoverMs)),
      ]
    })
    const widths = head.map((_, column) =>
      Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)),
    )
    return [head, ...rows].map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  '),
    )
  }
}

function quantiles(all: readonly number[]): string[] {
  const sorted = all.toSorted((a, b) => a - b)
  return [0.5, 0.95, 1].map((share) => {
    const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
    return value === undefined ? '–' : value.toFixed(0)
  })
}
