import type { Permission } from '@ostler/contract/administrators.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { parseFilter } from '@ostler/contract/filter.ts'
import * as z from 'zod'
import type { HintChannel } from '../store/hints.ts'
import { type ListQuery, type Page, pageOf, pageOfRows } from '../store/listing.ts'
import type { Db } from '../store/open.ts'
import type { NamedKind } from '../store/settings-of.ts'
import type { Caller } from './caller.ts'

/** Something that a request names; before it runs, it is looked up whose that is. */
export interface Named {
  readonly kind: NamedKind
  readonly in: 'path' | 'query' | 'body'
  readonly key: string
  /** What is of all tenants does as well: it is used, and not changed. */
  readonly shared?: boolean
}

/** A request that was checked, for those who do it. */
export interface Call<Q = unknown, B = unknown> {
  /** The database; for a change a transaction, in which the audit log is written, too. */
  readonly db: Db
  readonly caller: Caller
  /** The number by which logs and the audit log know this request. */
  readonly request: string
  /** A part of the path. */
  readonly part: (name: string) => string
  readonly query: Q
  readonly body: B
  /** Whose things may be shown; `undefined`: everybody's. */
  readonly tenantId: number | undefined
}

/** One line of the table from which routing, checks, the audit log and the OpenAPI document come. */
export interface Route {
  readonly method: 'get' | 'post' | 'patch' | 'delete'
  /** In Hono's form, `/v1/desktops/:name`. */
  readonly path: string
  readonly summary: string
  /** What it takes; `nobody`: no one is signed in. */
  readonly needs: Permission | 'nobody'
  /**
   * `tenant`: administrators of one tenant may as well. Then `tenant` in a query or body is theirs, and everything in `about` must
   * be. `all`: only who is of all tenants.
   */
  readonly reach: 'tenant' | 'all'
  /** What it names. What it changes comes first. */
  readonly about: readonly Named[]
  /** What a change adds: the answer has its `id`. */
  readonly makes?: NamedKind
  readonly query: z.ZodObject
  /** Keys of the query that may come several times, and are lists. */
  readonly repeated: readonly string[]
  readonly body: z.ZodType | undefined
  /** Its body is no JSON but bytes, so many at most. */
  readonly octets?: number
  /** What is said of a body that is none, where it must not be quoted. */
  readonly bodyProblem?: string
  readonly answer: z.ZodType
  readonly status: 200 | 201
  /** It changes nothing, though it is no GET: no transaction, and no line in the audit log. */
  readonly changesNothing?: boolean
  /** Hints after which the answer may be another one: with `Accept: text/event-stream` each comes. */
  readonly hints: readonly HintChannel[]
  /** So long hints are gathered before it is asked anew, where that costs much. */
  readonly gatherMs?: number
  readonly run: (call: Call) => Promise<Answer>
}

/** What is answered, and with which headers. */
export interface Answer {
  readonly said: unknown
  readonly headers?: Readonly<Record<string, string>>
}

type Given<Q extends z.ZodObject, B extends z.ZodType> = Pick<
  Route,
  'method' | 'path' | 'summary' | 'needs'
> &
  Partial<
    Pick<
      Route,
      | 'reach'
      | 'about'
      | 'makes'
      | 'repeated'
      | 'octets'
      | 'bodyProblem'
      | 'answer'
      | 'status'
      | 'changesNothing'
      | 'hints'
      | 'gatherMs'
    >
  > & {
    readonly query?: Q
    readonly body?: B
    readonly run: (call: Call<z.output<Q>, z.output<B>>) => unknown
  }

type Nothing = z.ZodObject<Readonly<Record<string, never>>>

/** One line of the table; what is left out is: reach `all`, naming nothing, taking nothing and answering `{}`. */
export function route<Q extends z.ZodObject = Nothing, B extends z.ZodType = z.ZodUndefined>(
  given: Given<Q, B>,
): Route {
  const { run, query, body, ...more } = given
  return {
    ...{ reach: 'all', about: [], repeated: [], answer: nothing, status: 200, hints: [] },
    ...more,
    query: query ?? z.strictObject({}),
    body,
    run: async (call) => ({ said: await run(call as Call<z.output<Q>, z.output<B>>) }),
  }
}

export const nothing = z.strictObject({})
export const added = z.strictObject({ id: z.int() })
export const time = z.iso.datetime()

/** How many rows there are on all pages. */
export const TOTAL_HEADER = 'X-Total-Count'
const LONGEST_PAGE = 10_000
const listQuery = z.strictObject({
  filter: z.string().max(4_000).optional().describe('column=value,… as for qa -f'),
  sort: z
    .string()
    .regex(/^-?[\w-]+(,-?[\w-]+)*$/)
    .optional()
    .describe('columns; with - before one: downwards'),
  limit: z.coerce.number().int().min(1).max(LONGEST_PAGE).optional(),
  offset: z.coerce.number().int().min(0).max(10_000_000).default(0),
  count: z.stringbool().default(false).describe('whether X-Total-Count says how many there are on all pages'),
})

/**
 * A list with filters, an order and pages. Its answer is an array; if `count` is asked for the header `X-Total-Count` says how
 * many there are on all pages.
 * @param rows a query that the database narrows, or rows; those of one tenant if it is given.
 */
export function listRoute<S extends z.ZodRawShape>(given: {
  readonly path: string
  readonly summary: string
  readonly needs: Permission
  readonly reach?: Route['reach']
  readonly row: z.ZodObject<S>
  readonly hints?: readonly HintChannel[]
  readonly query?: (db: Db, tenantId: number | undefined) => ListQuery
  /** Columns of the query that rows do not show and filters know; with `properties` also `property.KEY`. */
  readonly narrowing?: readonly string[]
  readonly rows?: (db: Db, tenantId: number | undefined) => Promise<readonly object[]>
}): Route {
  const { row, rows, query, narrowing = [], ...more } = given
  return {
    ...{ method: 'get', reach: 'tenant', about: [], repeated: [], body: undefined, status: 200, hints: [] },
    ...more,
    query: listQuery,
    answer: z.array(row),
    run: async (call) => {
      const page = pageAsked(call.query as z.output<typeof listQuery>, row, narrowing)
      const found =
        query !== undefined
          ? await pageOf(call.db, query(call.db, call.tenantId), page)
          : pageOfRows(((await rows?.(call.db, call.tenantId)) ?? []) as Record<string, unknown>[], page)
      const headers = found.total === undefined ? {} : { [TOTAL_HEADER]: String(found.total) }
      return { said: found.rows, headers }
    },
  }
}

/** @throws Fault `request.invalid` for a column that the list has not. */
export function pageAsked(
  said: {
    filter?: string | undefined
    sort?: string | undefined
    limit?: number | undefined
    offset: number
    count?: boolean
  },
  row: z.ZodObject,
  narrowing: readonly string[] = [],
): Page {
  const columns = Object.keys(row.shape)
  const known = [...columns, ...narrowing]
  const require = (column: string): string => {
    if (known.includes(column)) return column
    if (column.startsWith('property.') && narrowing.includes('properties')) return column
    throw new Fault('request.invalid', {
      problem: `there is no column ${column}: there are ${columns.join(', ')}`,
    })
  }
  const where = parseFilter(said.filter ?? '').map((condition) => ({
    ...condition,
    column: require(condition.column),
    // QVD writes 1 and 0.
    values:
      row.shape[condition.column] instanceof z.ZodBoolean
        ? condition.values.map((value) => TRUTHS[value] ?? value)
        : condition.values,
  }))
  const sort = (said.sort ?? '')
    .split(',')
    .filter((word) => word !== '')
    .map((word) => {
      const column = require(word.replace(/^-/, ''))
      const cell = row.shape[column] as z.ZodType | undefined
      const isFilled = cell?.safeParse(null).success === false
      return { column, descending: word.startsWith('-'), isFilled }
    })
  return { columns, where, sort, limit: said.limit, offset: said.offset, count: said.count ?? false }
}

const TRUTHS: Readonly<Record<string, string>> = { '1': 'true', '0': 'false', yes: 'true', no: 'false' }
