import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { numberText, phrases } from '../shared/language.ts'
import type { ListOperation, RowOf } from './api.ts'
import type { AdminApi } from './api-types.ts'
import { rowKey, useLiveRows } from './live.ts'
import { goTo, hrefOf } from './place.ts'
import { ROW_PX, useWindow } from './virtual-rows.ts'
import { say } from './words.ts'

const sayHere = phrases({
  search: ['Search', 'Buscar'],
  any: ['any', 'cualquiera'],
  filter: ['Filter', 'Filtro'],
  filterHint: ['as for qa -f: column=value,…', 'como en qa -f: columna=valor,…'],
  count: ['{count} in all', '{count} en total'],
  chosen: ['{count} chosen', '{count} elegidos'],
  chooseAll: ['Choose all that are found', 'Elegir todos los encontrados'],
  chooseRow: ['Choose {name}', 'Elegir {name}'],
  forget: ['Choose none', 'No elegir ninguno'],
  empty: ['There is nothing that fits.', 'No hay nada que coincida.'],
})

/** A column of a list. */
export interface Column<T> {
  readonly key: keyof T & string
  readonly title: string
  /** Values by which it can be narrowed. */
  readonly values?: readonly string[]
  readonly show?: (row: T) => ComponentChildren
  readonly valueText?: (value: string) => string
}

/** What is chosen: single rows, or all that the filter finds. */
export interface Choice<T> {
  readonly filter: string
  readonly count: number
  /** `undefined`: all that the filter finds, seen or not. */
  readonly rows: readonly T[] | undefined
}

interface ListProps<O extends ListOperation> {
  readonly operation: O
  readonly title: string
  /** The page's first part of the address. */
  readonly page: string
  readonly query: Readonly<Record<string, string>>
  /** The first one names a row, and is searched. */
  readonly columns: readonly Column<RowOf<O>>[]
  readonly nameOf: (row: RowOf<O>) => string
  readonly tools?: ComponentChildren
  /** Only rows that are seen can be chosen: there is no way to change what a filter finds. */
  readonly choosesRows?: boolean
  /** What can be done to what is chosen; without it nothing can be. */
  readonly actions?: ((choice: Choice<RowOf<O>>, onDone: () => void) => ComponentChildren) | undefined
}

type ListQuery<O extends ListOperation> = NonNullable<AdminApi[O]['query']>

/**
 * A list of any length: the server filters, orders and counts, rows come as they are scrolled to, and what changes meanwhile comes
 * by itself. Filter and order stand in the address.
 */
export function List<O extends ListOperation>(props: ListProps<O>) {
  const { operation, title, page, query, columns, nameOf, tools, actions, choosesRows = false } = props
  const [scroller, setScroller] = useState<HTMLDivElement | null>(null)
  const window = useWindow(scroller)
  const filter = filterOf(query, columns)
  const sort = query['sort'] ?? ''
  const { offset, limit } = window
  const live = useLiveRows(operation, { filter, sort, offset, limit, count: '1' } as ListQuery<O>)
  const [chosen, setChosen] = useState<ReadonlyMap<unknown, RowOf<O>> | 'all'>(new Map())
  useEffect(() => {
    setChosen(new Map())
    scroller?.scrollTo({ top: 0 })
  }, [filter])
  const total = live.total ?? 0
  const [first, last] = [Math.min(window.first, total), Math.min(window.last, total)]
  const change = (next: Readonly<Record<string, string>>): void =>
    goTo(hrefOf([page], { ...query, ...next }), 'replace')
  const count = chosen === 'all' ? total : chosen.size
  const choice: Choice<RowOf<O>> = {
    ...{ filter, count },
    rows: chosen === 'all' ? undefined : [...chosen.values()],
  }
  const shown = Array.from({ length: Math.max(0, last - first) }, (_, at) => ({
    index: first + at,
    row: live.rows[first + at - live.offset],
  }))
  return (
    <section class="list">
      <header>
        <h1>{title}</h1>
        <span class="quiet" role="status" data-ready={live.ready}>
          {live.total === undefined ? say('loading') : sayHere('count', { count: numberText(total) })}
        </span>
        {tools}
      </header>
      <Filters columns={columns} query={query} onChange={change} />
      {live.trouble !== undefined && (
        <p role="alert">
          {live.trouble.message} {live.trouble.advice} {say('reconnecting')}
        </p>
      )}
      {actions !== undefined && (
        <div class="tools">
          <span>{sayHere('chosen', { count: numberText(count) })}</span>
          {!choosesRows && (
            <button onClick={() => setChosen('all')} disabled={total === 0}>
              {sayHere('chooseAll')}
            </button>
          )}
          <button onClick={() => setChosen(new Map())} disabled={count === 0}>
            {sayHere('forget')}
          </button>
          {actions(choice, () => setChosen(new Map()))}
        </div>
      )}
      <div class="scroller" ref={setScroller} tabIndex={0} role="region" aria-label={title}>
        <table aria-rowcount={total + 1}>
          <Head
            columns={columns}
            sort={sort}
            hasChoice={actions !== undefined}
            onSort={(by) => change({ sort: by })}
          />
          <tbody>
            <Gap rows={first} />
            {shown.map(({ index, row }) => (
              <tr
                key={row === undefined ? `at ${index}` : rowKey(row)}
                aria-rowindex={index + 2}
                class={row === undefined ? 'coming' : ''}
              >
                {actions !== undefined && (
                  <td>
                    {row !== undefined && (
                      <input
                        type="checkbox"
                        aria-label={sayHere('chooseRow', { name: nameOf(row) })}
                        checked={chosen === 'all' || chosen.has(rowKey(row))}
                        disabled={chosen === 'all'}
                        onChange={() => chosen !== 'all' && setChosen(toggled(chosen, row))}
                      />
                    )}
                  </td>
                )}
                {columns.map((column) => (
                  <td key={column.key}>{row === undefined ? '…' : cell(column, row)}</td>
                ))}
              </tr>
            ))}
            <Gap rows={total - last} />
          </tbody>
        </table>
        {live.ready && total === 0 && <p class="quiet">{sayHere('empty')}</p>}
      </div>
    </section>
  )
}

function cell<T>(column: Column<T>, row: T): ComponentChildren {
  if (column.show !== undefined) return column.show(row)
  const value = row[column.key]
  if (typeof value === 'boolean') return value ? say('yes') : say('no')
  return value === null || value === undefined || value === '' ? '–' : String(value)
}

/** Room for rows that are not there. */
function Gap({ rows }: { readonly rows: number }) {
  return rows <= 0 ? null : <tr aria-hidden="true" style={{ height: `${rows * ROW_PX}px` }} />
}

interface HeadProps<T> {
  readonly columns: readonly Column<T>[]
  readonly sort: string
  readonly hasChoice: boolean
  readonly onSort: (by: string) => void
}

function Head<T>({ columns, sort, hasChoice, onSort }: HeadProps<T>) {
  const by = sort.replace(/^-/, '')
  const order = sort.startsWith('-') ? 'descending' : 'ascending'
  return (
    <thead>
      <tr aria-rowindex={1}>
        {hasChoice && <td />}
        {columns.map(({ key, title }) => (
          <th key={key} scope="col" aria-sort={by === key ? order : 'none'}>
            <button class="plain" onClick={() => onSort(sort === key ? `-${key}` : key)}>
              {title}
              <span aria-hidden="true">{by === key ? (order === 'ascending' ? ' ▲' : ' ▼') : ''}</span>
            </button>
          </th>
        ))}
      </tr>
    </thead>
  )
}

interface FiltersProps<T> {
  readonly columns: readonly Column<T>[]
  readonly query: Readonly<Record<string, string>>
  readonly onChange: (next: Readonly<Record<string, string>>) => void
}

/** So long after the last letter a search begins. */
const TYPED_MS = 200

function Filters<T>({ columns, query, onChange }: FiltersProps<T>) {
  const later = useDelayed(TYPED_MS)
  const typed = (key: string) => (event: { currentTarget: HTMLInputElement }) => {
    const { value } = event.currentTarget
    later(() => onChange({ [key]: value }))
  }
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>
        {sayHere('search')}
        <input type="search" defaultValue={query['search'] ?? ''} onInput={typed('search')} />
      </label>
      {columns
        .filter(({ values }) => values !== undefined)
        .map(({ key, title, values = [], valueText = String }) => (
          <label key={key}>
            {title}
            <select
              value={query[`in.${key}`] ?? ''}
              onChange={(event) => onChange({ [`in.${key}`]: event.currentTarget.value })}
            >
              <option value="">{sayHere('any')}</option>
              {values.map((value) => (
                <option key={value} value={value}>
                  {valueText(value)}
                </option>
              ))}
            </select>
          </label>
        ))}
      <label>
        {sayHere('filter')}
        <input
          defaultValue={query['filter'] ?? ''}
          placeholder={sayHere('filterHint')}
          spellcheck={false}
          onInput={typed('filter')}
        />
      </label>
    </form>
  )
}

/** Does only the last of what comes quickly, and nothing any more when its part of the page has gone. */
function useDelayed(ms: number): (act: () => void) => void {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  return (act) => {
    clearTimeout(timer.current)
    timer.current = setTimeout(act, ms)
  }
}

/** The filter that the address says, as the api takes it. */
function filterOf<T>(query: Readonly<Record<string, string>>, columns: readonly Column<T>[]): string {
  const [name] = columns
  const search = (query['search'] ?? '').replaceAll(/[",|]/g, '?')
  return [
    ...(search === '' || name === undefined ? [] : [`${name.key}=*${search}*`]),
    ...columns.flatMap(({ key }) => {
      const value = query[`in.${key}`] ?? ''
      return value === '' ? [] : [`${key}=${value}`]
    }),
    ...(query['filter'] === undefined || query['filter'] === '' ? [] : [query['filter']]),
  ].join(',')
}

/** Rows of which one more is chosen, or one less. */
function toggled<T extends object>(before: ReadonlyMap<unknown, T>, row: T): ReadonlyMap<unknown, T> {
  const next = new Map(before)
  if (!next.delete(rowKey(row))) next.set(rowKey(row), row)
  return next
}
