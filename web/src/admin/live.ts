import { useEffect, useState } from 'preact/hooks'
import {
  type AnswerOf,
  ApiError,
  ask,
  type ListOperation,
  type Operation,
  type RowOf,
  type Said,
} from './api.ts'
import type { AdminApi } from './api-types.ts'
import { watch, type WatchEvent } from './watch.ts'

/** An answer that is kept up to date. */
export interface Live<T> {
  readonly value: T | undefined
  readonly trouble: ApiError | undefined
}

/** What the api says now, anew with every change of it. */
export function useLive<O extends Operation>(operation: O, said: Said<O>): Live<AnswerOf<O>> {
  const [live, setLive] = useState<Live<AnswerOf<O>>>({ value: undefined, trouble: undefined })
  const key = JSON.stringify(said)
  useEffect(() => {
    setLive({ value: undefined, trouble: undefined })
    return watch(operation, JSON.parse(key) as Said<O>, {
      onBegin: () => {},
      onTrouble: (trouble) => setLive((before) => ({ ...before, trouble })),
      onEvents: (events) => {
        const last = events.findLast(({ event }) => event === 'changed')
        if (last !== undefined) setLive((before) => ({ ...before, value: last.data as AnswerOf<O> }))
      },
    })
  }, [operation, key])
  return live
}

/** What the api says once, and again whenever `after` is another value: for what changes with something that is watched. */
export function useAsked<O extends Operation>(
  operation: O,
  said: Said<O>,
  after?: unknown,
): Live<AnswerOf<O>> {
  const [asked, setAsked] = useState<Live<AnswerOf<O>>>({ value: undefined, trouble: undefined })
  const key = JSON.stringify(said)
  useEffect(() => {
    let isOver = false
    const tell = (next: Live<AnswerOf<O>>): void => {
      if (!isOver) setAsked(next)
    }
    ask(operation, JSON.parse(key) as Said<O>).then(
      (value) => tell({ value, trouble: undefined }),
      (error: unknown) => {
        if (error instanceof ApiError) tell({ value: undefined, trouble: error })
      },
    )
    return () => {
      isOver = true
    }
  }, [operation, key, after])
  return asked
}

/** Some rows of a list, in its order, as they are now. */
export interface LiveRows<T> {
  readonly rows: readonly T[]
  /** How many there are in all; `undefined`: not said yet. */
  readonly total: number | undefined
  /** Where the first of the rows stands in the whole list. */
  readonly offset: number
  /** Whether they have come. */
  readonly ready: boolean
  readonly trouble: ApiError | undefined
}

/** The rows of a part of a list. Those before stay until the next ones have come, as long as it is the same list. */
export function useLiveRows<O extends ListOperation>(
  operation: O,
  query: NonNullable<AdminApi[O]['query']>,
): LiveRows<RowOf<O>> {
  const [live, setLive] = useState<LiveRows<RowOf<O>>>(NOTHING)
  const key = JSON.stringify(query)
  useEffect(() => {
    const asked = JSON.parse(key) as { readonly sort?: string; readonly offset?: number }
    let part: LiveRows<RowOf<O>> = NOTHING
    setLive((before) => ({ ...before, ready: false }))
    return watch(operation, { query: asked } as unknown as Said<O>, {
      onBegin: () => (part = { ...NOTHING, offset: asked.offset ?? 0 }),
      onTrouble: (trouble) => setLive((before) => ({ ...before, trouble })),
      onEvents: (events) => {
        part = withEvents(part, events, asked.sort ?? '')
        if (part.ready) setLive(part)
      },
    })
  }, [operation, key])
  return live
}

const NOTHING: LiveRows<never> = { rows: [], total: undefined, offset: 0, ready: false, trouble: undefined }

type Row = Readonly<Record<string, unknown>>

/** By what a row is known in its list, as the api has it. */
export function rowKey(row: object): string | number {
  const { id, name, key } = row as Row
  return (id ?? name ?? key) as string | number
}

/** Pure: what rows become by events. */
export function withEvents<T extends object>(
  before: LiveRows<T>,
  events: readonly WatchEvent[],
  sort: string,
): LiveRows<T> {
  const rows = new Map<unknown, T>(before.rows.map((row) => [rowKey(row), row]))
  let { total, ready } = before
  for (const { event, data } of events) {
    if (event === 'row') rows.set(rowKey(data as T), data as T)
    if (event === 'gone') rows.delete((data as { id: unknown }).id)
    if (event === 'total') total = (data as { total: number }).total
    if (event === 'ready') ready = true
  }
  const list = [...rows.values()]
  // At first they come in the list's own order; later ones find their place by what they are sorted by.
  return { ...before, total, ready, rows: before.ready ? list.toSorted(inOrder(sort)) : list }
}

function inOrder(sort: string): (a: unknown, b: unknown) => number {
  const down = sort.startsWith('-')
  const column = sort.replace(/^-/, '')
  return (a, b) => {
    const order = column === '' ? 0 : compare((a as Row)[column], (b as Row)[column])
    return (down ? -order : order) || compare(rowKey(a as Row), rowKey(b as Row))
  }
}

function compare(a: unknown, b: unknown): number {
  if (a === b) return 0
  if (a === null || a === undefined) return -1
  if (b === null || b === undefined) return 1
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return textOf(a) < textOf(b) ? -1 : 1
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
