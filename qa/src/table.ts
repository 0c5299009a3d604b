type Row = Readonly<Record<string, unknown>>

/** Lines of a table with one column per key, as wide as its widest value. Empty for no rows. */
export function table(rows: readonly Row[]): string[] {
  const columns = Object.keys(rows[0] ?? {})
  if (columns.length === 0) return []
  return aligned([columns, ...rows.map((row) => columns.map((column) => cell(row[column])))], '  ')
}

/** QVD's form of a table: titles, a rule of - and +, rows. Without titles: rows alone. */
export function ruledTable(titles: readonly string[], rows: readonly Row[], withTitles: boolean): string[] {
  const cells = rows.map((row) => titles.map((title) => cell(row[title])))
  if (!withTitles) return aligned(cells, ' | ')
  const [head = '', ...lines] = aligned([[...titles], ...cells], ' | ')
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...cells.map((line) => line[index]?.length ?? 0)),
  )
  return [head, widths.map((width) => '-'.repeat(width)).join('-+-'), ...lines]
}

/** Lines of comma-separated values (RFC 4180), the first of which has the names. */
export function csv(columns: readonly string[], rows: readonly Row[], withTitles: boolean): string[] {
  const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
  const line = (cells: readonly string[]): string => cells.map(quoted).join(',')
  const lines = rows.map((row) =>
    line(
      columns.map((column) => (row[column] === null || row[column] === undefined ? '' : cell(row[column]))),
    ),
  )
  return withTitles ? [line(columns), ...lines] : lines
}

function aligned(cells: readonly (readonly string[])[], between: string): string[] {
  const count = cells[0]?.length ?? 0
  const widths = Array.from({ length: count }, (_, index) =>
    cells.reduce((width, line) => Math.max(width, (line[index] ?? '').length), 0),
  )
  return cells.map((line) =>
    line
      .map((text, index) => text.padEnd(widths[index] ?? 0))
      .join(between)
      .trimEnd(),
  )
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '-'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  // What stands in a row must neither end it nor speak to the terminal.
  return text.replaceAll(/\p{Cc}/gu, '?')
}
