import { Fault } from './fault.ts'

/**
 * Filters of lists, the same in `qa -f` and in the `filter` of a request: `name=al*,state=running,id>=7`. All must hold.
 * `*` and `?` stand for any letters and for any one; `-` for what is empty; `a|b` for either. A value with commas stands in
 * double quotes.
 */
export interface Condition {
  readonly column: string
  readonly operator: FilterOperator
  /** Any of them; for an order there is one. */
  readonly values: readonly string[]
}

export type FilterOperator = '=' | '!=' | '<' | '>' | '<=' | '>='

const LONGEST = 4_000
const MOST = 50
const PART = /([A-Za-z_][\w.-]{0,127})(!=|<=|>=|=|<|>)("[^"]*"|[^,"]*)(?:,|$)/y

/** @throws Fault `request.invalid` for what is no filter. */
export function parseFilter(text: string): readonly Condition[] {
  if (text.length > LONGEST) throw invalid(`it is longer than ${LONGEST} letters`)
  const conditions: Condition[] = []
  for (let at = 0; at < text.length;) {
    PART.lastIndex = at
    const [whole, column, operator, value] = PART.exec(text) ?? []
    if (whole === undefined || column === undefined || operator === undefined || value === undefined)
      throw invalid(`"${text.slice(at, at + 60)}" is not column=value`)
    conditions.push(condition(column, operator as FilterOperator, value))
    at += whole.length
  }
  if (conditions.length > MOST) throw invalid(`it has more than ${MOST} parts`)
  return conditions
}

/** Whether it names one thing by its name alone, and which; `undefined`: it may be true of several. */
export function namesOne(text: string, column: string): string | undefined {
  const [only, ...more] = parseFilter(text)
  if (only === undefined || more.length > 0 || only.column !== column || only.operator !== '=')
    return undefined
  const [name = '', ...others] = only.values
  return others.length > 0 || /[*?]/.test(name) || name === '-' || name === '' ? undefined : name
}

/** Whether a row is one of those; a column that it has not is empty. */
export function matches(row: Readonly<Record<string, unknown>>, conditions: readonly Condition[]): boolean {
  return conditions.every(({ column, operator, values }) => {
    const cell = textOf(row[column])
    if (operator === '=') return values.some((value) => isLike(cell, value))
    if (operator === '!=') return !values.some((value) => isLike(cell, value))
    const [value = ''] = values
    if (cell === undefined) return false
    const order = compare(cell, value)
    return { '<': order < 0, '>': order > 0, '<=': order <= 0, '>=': order >= 0 }[operator]
  })
}

/** A pattern of a filter as one for SQL's LIKE, with a backslash before what is meant as it stands. */
export function likePattern(value: string): string {
  return value
    .replaceAll(/[\\%_]/g, (letter) => `\\${letter}`)
    .replaceAll('*', '%')
    .replaceAll('?', '_')
}

function condition(column: string, operator: FilterOperator, value: string): Condition {
  const bare = value.startsWith('"') ? value.slice(1, -1) : value
  const values = operator === '=' || operator === '!=' ? bare.split('|') : [bare]
  return { column, operator, values }
}

function isLike(cell: string | undefined, value: string): boolean {
  if (value === '-') return cell === undefined
  if (cell === undefined) return false
  const letters = value
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${letters}$`, 'su').test(cell)
}

function compare(cell: string, value: string): number {
  const [a, b] = [Number(cell), Number(value)]
  if (cell !== '' && value !== '' && Number.isFinite(a) && Number.isFinite(b)) return a - b
  return cell < value ? -1 : cell > value ? 1 : 0
}

function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function invalid(reason: string): Fault {
  return new Fault('request.invalid', { problem: `filter: ${reason}` })
}
