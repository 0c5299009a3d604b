interface Measured {
  readonly detectMs: number | undefined
  readonly recoverMs: number | undefined
}

/** How often each fault was tried, how soon somebody said a word about it, and how soon all was well again. */
export class FaultMatrix<FaultName extends string> {
  readonly #rows = new Map<FaultName, Measured[]>()

  add(name: FaultName, measured: Measured): void {
    this.#rows.set(name, [...(this.#rows.get(name) ?? []), measured])
  }

  /** A table for a page, in seconds. */
  markdown(): string[] {
    const seconds = (value: number): string => (value / 1_000).toFixed(1)
    const rows = [...this.#rows].map(([name, all]) =>
      [
        name,
        String(all.length),
        ...quantiles(
          all.flatMap(({ detectMs }) => detectMs ?? []),
          [0.5, 1],
          seconds,
        ),
        ...quantiles(
          all.flatMap(({ recoverMs }) => recoverMs ?? []),
          [0.5, 1],
          seconds,
        ),
      ].join(' | '),
    )
    const head = ['fault', 'times', 'noticed p50 (s)', 'max', 'desktops back p50 (s)', 'max'].join(' | ')
    return [head, '--- | --: | --: | --: | --: | --:', ...rows].map((row) => `| ${row} |`)
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
        ...quantiles(all.flatMap(({ recoverMs }) => recoverMs ?? [])),
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

function quantiles(
  all: readonly number[],
  shares: readonly number[] = [0.5, 0.95, 1],
  inWords = (value: number): string => value.toFixed(0),
): string[] {
  const sorted = all.toSorted((a, b) => a - b)
  return shares.map((share) => {
    const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]
    return value === undefined ? '–' : inWords(value)
  })
}
