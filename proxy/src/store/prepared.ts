import { CompiledQuery, type QueryExecutorProvider } from 'kysely'
import { createHash } from 'node:crypto'
import pg from 'pg'
import type { Db } from './open.ts'

/** By its text, under which name the server keeps a statement. */
const names = new Map<string, string>()

/** What `sql` and Kysely's builders make. */
interface Buildable<Row> {
  compile(executor: QueryExecutorProvider): CompiledQuery<Row>
}

/** Stands for a value while a statement is built. */
class Placeholder {
  readonly key: string

  constructor(key: string) {
    this.key = key
  }
}

const placeholders = new Proxy({}, { get: (_, key) => new Placeholder(String(key)) })

/**
 * A statement that is built once, and that the server parses and plans once per connection: for what every sign-in
 * asks. Its text must not depend on the values, and it must name its columns: a server that has planned `SELECT *` refuses
 * when a migration adds one.
 *
 * @param build gets placeholders: each is a value as it stands, and no list to be spread.
 */
export function prepared<Values extends Readonly<Record<string, unknown>>, Row>(
  build: (db: Db, values: Values) => Buildable<Row>,
): (db: Db, values: Values) => Promise<{ readonly rows: Row[]; readonly changed: number }> {
  let statement: { readonly text: string; readonly keys: readonly string[] } | undefined
  return async (db, values) => {
    statement ??= nameOf(build(db, placeholders as Values).compile(db))
    const parameters = statement.keys.map((key) => values[key])
    const { rows, numAffectedRows } = await db.executeQuery<Row>(
      CompiledQuery.raw(statement.text, parameters),
    )
    return { rows, changed: Number(numAffectedRows ?? 0) }
  }
}

/** Gives a statement the name under which the server keeps it. */
function nameOf({ sql: text, parameters }: CompiledQuery) {
  const keys = parameters.map((parameter) => {
    if (parameter instanceof Placeholder) return parameter.key
    throw new Error('a prepared statement has a value of its own')
  })
  names.set(text, createHash('sha256').update(text).digest('hex').slice(0, 32))
  return { text, keys }
}

/** A connection that has the server keep the prepared statements. */
export class PreparingClient extends pg.Client {
  override query = ((first: unknown, ...rest: unknown[]): unknown => {
    const name = typeof first === 'string' ? names.get(first) : undefined
    const asked = name === undefined ? first : { name, text: first, values: rest.shift() }
    return (super.query as (...args: unknown[]) => unknown).call(this, asked, ...rest)
  }) as pg.Client['query']
}
