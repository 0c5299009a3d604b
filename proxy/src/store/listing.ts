import { type Condition, likePattern, matches } from '@ostler/contract/filter.ts'
import { type Expression, type RawBuilder, sql, type SqlBool } from 'kysely'
import type { Db } from './open.ts'

/** Which rows of a list, and in which order. Columns are those that the list has. */
export interface Page {
  /** What is told of each row. */
  readonly columns: readonly string[]
  readonly where: readonly Condition[]
  readonly sort: readonly {
    readonly column: string
    readonly descending: boolean
    /** It is never empty: then its index can be read backwards, too. */
    readonly isFilled?: boolean
  }[]
  readonly limit: number | undefined
  readonly offset: number
  /** Whether it is to be said how many there are on all pages: that costs a look at every row. */
  readonly count: boolean
}

/** A query whose rows have an `id`, and are narrowed and ordered by a page. */
export type ListQuery = Expression<unknown>

export interface Paged {
  readonly rows: Record<string, unknown>[]
  /** How many there are on all pages, if that was asked for. */
  readonly total: number | undefined
}

const BY_ID = { column: 'id', descending: false, isFilled: true } as const

/** Rows of a query, by their `id` unless the page says otherwise. */
export async function pageOf(db: Db, query: ListQuery, page: Page): Promise<Paged> {
  const from = sql`(${query}) AS listed`
  const where = page.where.length === 0 ? sql`` : sql`WHERE ${sql.join(page.where.map(holds), sql` AND `)}`
  const sort = page.sort.length === 0 ? [BY_ID] : page.sort
  const order = sort.map(({ column, descending, isFilled = false }) => {
    const empty = isFilled ? sql`` : sql.raw(descending ? 'NULLS LAST' : 'NULLS FIRST')
    return sql`${sql.ref(column)} ${sql.raw(descending ? 'DESC' : 'ASC')} ${empty}`
  })
  const sorted = sql`ORDER BY ${sql.join(order)}`
  const cut = page.limit === undefined ? sql`` : sql`LIMIT ${page.limit} OFFSET ${page.offset}`
  const shown = sql.join(page.columns.map((column) => sql.ref(column)))
  // Of rows before the page nothing is to be looked up but which they are.
  const isFarBack = page.limit !== undefined && page.offset > 0
  const narrowed = isFarBack
    ? sql`WHERE id = ANY(ARRAY(SELECT id FROM ${from} ${where} ${sorted} ${cut})) ${sorted}`
    : sql`${where} ${sorted} ${cut}`
  const { rows } = await sql<Record<string, unknown>>`SELECT ${shown} FROM ${from} ${narrowed}`.execute(db)
  if (!page.count) return { rows, total: undefined }
  const counted = await sql<{ count: number }>`SELECT count(*)::int AS count FROM ${from} ${where}`.execute(
    db,
  )
  return { rows, total: counted.rows[0]?.count ?? 0 }
}

/** The same of rows that are there already. */
export function pageOfRows(rows: readonly Record<string, unknown>[], page: Page): Paged {
  const found = rows.filter((row) => matches(row, page.where))
  const sorted = page.sort.toReversed().reduce(
    (list, { column, descending }) =>
      list.toSorted((a, b) => {
        const [left, right] = [a[column] ?? '', b[column] ?? ''] as (string | number)[]
        const order = left === undefined || right === undefined || left === right ? 0 : left < right ? -1 : 1
        return descending ? -order : order
      }),
    found,
  )
  const shown = page.limit === undefined ? sorted : sorted.slice(page.offset, page.offset + page.limit)
  return { rows: shown, total: page.count ? found.length : undefined }
}

function holds({ column, operator, values }: Condition): RawBuilder<SqlBool> {
  const [, property] = /^property\.(.+)$/.exec(column) ?? []
  const cell = property === undefined ? sql`${sql.ref(column)}` : sql`(properties ->> ${property}::text)`
  if (operator === '=')
    return sql`(${sql.join(
      // As it stands, an index of the column can be asked.
      values.map((value) => (/^-$|[*?]/.test(value) ? isLike(cell, value) : sql`(${cell})::text = ${value}`)),
      sql` OR `,
    )})`
  if (operator === '!=')
    return sql`NOT (${sql.join(
      values.map((value) => isLike(cell, value)),
      sql` OR `,
    )})`
  const [value = ''] = values
  const sign = sql.raw(operator)
  if (/^-?\d{1,15}(\.\d{1,9})?$/.test(value))
    return sql`(CASE WHEN ${cell}::text ~ '^-?[0-9]+(\\.[0-9]+)?$' THEN ${cell}::text::numeric ${sign} ${value}::numeric END)`
  return sql`(to_jsonb(${cell}) #>> '{}') COLLATE "C" ${sign} ${value}`
}

function isLike(cell: RawBuilder<unknown>, value: string): RawBuilder<SqlBool> {
  if (value === '-') return sql`${cell} IS NULL`
  if (/[*?]/.test(value)) return sql`coalesce((${cell})::text LIKE ${likePattern(value)}, false)`
  return sql`coalesce((${cell})::text = ${value}, false)`
}
