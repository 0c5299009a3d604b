import { Fault } from '@ostler/contract/fault.ts'
import { parseProperties } from '@ostler/kit/properties.ts'
import { insertedRows, type InsertedRow } from './dumped-inserts.ts'

/** A key of a QVD's configuration. */
export interface DumpedKey {
  readonly key: string
  readonly value: string
  /** Number of its tenant in that QVD; `undefined`: all of them. */
  readonly tenant: string | undefined
}

export interface ConfigurationDump {
  readonly keys: readonly DumpedKey[]
  /** Names of that QVD's tenants by number, when the dump has them. */
  readonly tenants: ReadonlyMap<string, string>
}

/** In 4.x this is the tenant of what is true for all (compatibility page 10.1). */
const ALL = '-1'
const COPY = /^COPY\s+(?:"?\w+"?\.)?"?(\w+)"?\s*(?:\(([^)]*)\))?\s+FROM\s+stdin;\s*$/i
const INSERT = /^INSERT\s+INTO\s+(?:"?\w+"?\.)?"?(?:configs|tenants)"?\s/im
/** What a statement means that names no columns: those of QVD's tables, in their order. */
const COLUMNS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  configs: [
    ['key', 'value'],
    ['tenant_id', 'key', 'value'],
  ],
  tenants: [
    ['id', 'name'],
    ['id', 'name', 'description', 'blocked'],
  ],
}
const HEADER = /^"?(?:tenant_id"?,"?)?key"?,"?value"?/i

/**
 * Reads the configuration of a QVD: a `node.conf`, the table `configs` as `pg_dump` writes it (also among other tables, and with
 * `--inserts`), or as CSV, with a tenant's number first as in 4.x or without as in 3.x.
 * @throws Fault `request.invalid` naming the first line that is none of them.
 */
export function parseConfigurationDump(text: string): ConfigurationDump {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  if (lines.some((line) => COPY.test(line))) return fromCopy(lines)
  if (INSERT.test(text)) return fromInserts(text)
  const first = lines.find((line) => line.trim() !== '') ?? ''
  if (HEADER.test(first) || /^(?:-?\d+|"-?\d+"),/.test(first))
    return { keys: fromCsv(text), tenants: new Map() }
  const { properties, problems } = parseProperties(text, 'line ')
  const [problem] = problems
  if (problem !== undefined) throw invalid(problem.line, problem.text)
  return { keys: properties.map(({ key, value }) => ({ key, value, tenant: undefined })), tenants: new Map() }
}

function fromCopy(lines: readonly string[]): ConfigurationDump {
  const keys: DumpedKey[] = []
  const tenants = new Map<string, string>()
  let table: { name: string; columns: readonly string[] } | undefined
  for (const [index, line] of lines.entries()) {
    const begins = table === undefined ? COPY.exec(line) : null
    if (begins !== null) {
      const [, name = '', columns = ''] = begins
      table = {
        name: name.toLowerCase(),
        columns: columns.split(',').map((word) => word.trim().replaceAll('"', '')),
      }
    } else if (line === '\\.') table = undefined
    else if (table?.name === 'configs' || table?.name === 'tenants') {
      const { columns, name } = table
      const cells = line.split('\t').map(unescapeCopy)
      if (cells.length !== columns.length)
        throw invalid(index + 1, `has ${cells.length} columns, not ${columns.length}`)
      const cell = (column: string): string | undefined => cells[columns.indexOf(column)]
      if (name === 'tenants') tenants.set(cell('id') ?? '', cell('name') ?? '')
      else keys.push(dumped(cell('tenant_id'), cell('key') ?? '', cell('value') ?? ''))
    }
  }
  return { keys, tenants }
}

function fromInserts(text: string): ConfigurationDump {
  const keys: DumpedKey[] = []
  const tenants = new Map<string, string>()
  for (const { line, table, columns: named, cells } of rowsIn(text)) {
    const columns = named ?? COLUMNS[table]?.find(({ length }) => length === cells.length)
    if (columns?.length !== cells.length)
      throw invalid(line, `has ${cells.length} values: dump it with --column-inserts`)
    const cell = (column: string): string | undefined => cells[columns.indexOf(column)]
    if (table === 'tenants') tenants.set(cell('id') ?? '', cell('name') ?? '')
    else keys.push(dumped(cell('tenant_id'), cell('key') ?? '', cell('value') ?? ''))
  }
  return { keys, tenants }
}

/** @throws Fault `request.invalid`. */
function rowsIn(text: string): InsertedRow[] {
  try {
    return [...insertedRows(text, Object.keys(COLUMNS))]
  } catch (error) {
    throw new Fault('request.invalid', { problem: error instanceof Error ? error.message : String(error) })
  }
}

const COPY_ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

function unescapeCopy(cell: string): string {
  if (cell === '\\N') return ''
  return cell.replace(/\\(.)/gs, (_, char: string) => COPY_ESCAPES[char] ?? char)
}

function fromCsv(text: string): DumpedKey[] {
  const rows = csvRows(text)
  const isHeader = rows[0]?.some((cell) => cell.toLowerCase() === 'key') === true
  return rows.slice(isHeader ? 1 : 0).map((row, index) => {
    const [first = '', second = '', third] = row
    if (row.length === 2) return dumped(undefined, first, second)
    if (row.length === 3) return dumped(first, second, third ?? '')
    throw invalid(index + (isHeader ? 2 : 1), 'is neither KEY,VALUE nor TENANT,KEY,VALUE')
  })
}

/** RFC 4180: quotes are doubled, and a quoted cell may hold ends of lines. */
function csvRows(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  const cell = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r?\n|$)/gy
  while (cell.lastIndex < text.length) {
    const match = cell.exec(text)
    if (match === null) throw invalid(rows.length + 1, 'is not CSV')
    const [, content = '', end = ''] = match
    row.push(content.startsWith('"') ? content.slice(1, -1).replaceAll('""', '"') : content)
    if (end === ',' && cell.lastIndex < text.length) continue
    if (end === ',') row.push('')
    if (row.length > 1 || row[0] !== '') rows.push(row)
    row = []
  }
  return rows
}

function dumped(tenant: string | undefined, key: string, value: string): DumpedKey {
  return { key, value, tenant: tenant === undefined || tenant === ALL || tenant === '' ? undefined : tenant }
}

function invalid(line: number, problem: string): Fault {
  return new Fault('request.invalid', { problem: `line ${line} ${problem}` })
}
