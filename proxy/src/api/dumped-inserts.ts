/** A row of an `INSERT` statement. */
export interface InsertedRow {
  /** Number of the line on which its statement begins. */
  readonly line: number
  readonly table: string
  /** Where the statement names them. */
  readonly columns: readonly string[] | undefined
  /** As text; `undefined` for NULL. */
  readonly cells: readonly (string | undefined)[]
}

type Kind = 'word' | 'text' | 'name' | 'mark'
interface Token {
  readonly kind: Kind
  /** Of a text or name what it means, else what stands there. */
  readonly value: string
  readonly at: number
}

/** Whose programs have written a dump: `pg_dump`, or `mysqldump` and phpMyAdmin. */
export type Dialect = 'postgresql' | 'mysql'

/**
 * What they write, piece by piece. In the first, an order to psql takes a line, and the bodies of functions stand between dollars. In the
 * second, a backslash means something in every text, and names stand between backticks.
 */
const PIECES: Readonly<Record<Dialect, RegExp>> = {
  postgresql:
    /(?<blank>\s+|--[^\n]*|\/\*.*?\*\/|\\[a-z][^\n]*)|(?<body>\$(?<tag>\w*)\$.*?\$\k<tag>\$)|(?<escaped>[eE]'(?:[^'\\]|\\.|'')*')|(?<text>'(?:[^']|'')*')|(?<name>"(?:[^"]|"")*")|(?<word>[A-Za-z_][\w$]*|[-+]?\d[\w.]*(?:[-+]\d+)?)|(?<mark>.)/suy,
  mysql:
    /(?<blank>\s+|--[^\n]*|#[^\n]*|\/\*.*?\*\/)|(?<escaped>'(?:[^'\\]|\\.|'')*')|(?<name>`(?:[^`]|``)*`)|(?<word>[A-Za-z_@][\w$@]*|[-+]?\d[\w.]*(?:[-+]\d+)?)|(?<mark>.)/suy,
}

const ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  '0': '\0',
  Z: '\x1a',
}

/**
 * Reads the rows that a dump inserts into some tables; all other statements are passed over.
 * @param tables their names, in small letters and without a schema.
 * @param dialect whose program has written it.
 * @throws Error with `line N …` for a statement that cannot be read.
 */
export function* insertedRows(
  text: string,
  tables: readonly string[],
  dialect: Dialect = 'postgresql',
): Generator<InsertedRow> {
  let statement: Token[] = []
  for (const token of tokens(text, dialect)) {
    if (token.kind === 'mark' && token.value === ';') {
      yield* rowsOf(text, statement, tables)
      statement = []
    } else if (statement.length < 5 || isInsert(statement, tables)) statement.push(token)
  }
  if (isInsert(statement, tables)) throw broken(text, statement[0], 'does not end')
}

function* tokens(text: string, dialect: Dialect): Generator<Token> {
  const pieces = new RegExp(PIECES[dialect])
  for (let at = 0; at < text.length; at = pieces.lastIndex) {
    pieces.lastIndex = at
    const { escaped, text: plain, name, word, mark } = pieces.exec(text)?.groups ?? {}
    if (mark === "'" || mark === '"' || mark === '`')
      throw new Error(`line ${lineAt(text, at)} has a ${mark} that does not end`)
    if (escaped !== undefined)
      yield { kind: 'text', value: unescaped(escaped.slice(escaped.indexOf("'") + 1, -1)), at }
    else if (plain !== undefined) yield { kind: 'text', value: plain.slice(1, -1).replaceAll("''", "'"), at }
    else if (name !== undefined) yield { kind: 'name', value: unquoted(name), at }
    else if (word !== undefined) yield { kind: 'word', value: word, at }
    else if (mark !== undefined) yield { kind: 'mark', value: mark, at }
  }
}

function unquoted(name: string): string {
  const quote = name.charAt(0)
  return name.slice(1, -1).replaceAll(quote + quote, quote)
}

function isInsert(statement: readonly Token[], tables: readonly string[]): boolean {
  const [insert, into, first, dot, second] = statement
  if (!isWord(insert, 'insert') || !isWord(into, 'into')) return false
  const table = isMark(dot, '.') ? second : first
  return table !== undefined && tables.includes(nameOf(table))
}

function* rowsOf(
  text: string,
  statement: readonly Token[],
  tables: readonly string[],
): Generator<InsertedRow> {
  if (!isInsert(statement, tables)) return
  const tableAt = isMark(statement[3], '.') ? 4 : 2
  const table = nameOf(statement[tableAt] as Token)
  const valuesAt = statement.findIndex((token, index) => index > tableAt && isWord(token, 'values'))
  if (valuesAt === -1) throw broken(text, statement[0], 'has no VALUES')
  const [columns] = lists(text, statement.slice(tableAt + 1, valuesAt))
  const line = lineAt(text, statement[0]?.at ?? 0)
  for (const list of lists(text, statement.slice(valuesAt + 1)))
    yield { line, table, columns: columns?.map(nameOf), cells: list.map(cellOf) }
}

/** What stands between round brackets, one token each between commas. */
function* lists(text: string, statement: readonly Token[]): Generator<Token[]> {
  let list: Token[] | undefined
  let wantsComma = false
  for (const token of statement) {
    if (list === undefined) {
      if (isWord(token, 'on')) return // ON CONFLICT (…)
      if (!isMark(token, '(')) continue
      list = []
      wantsComma = false
    } else if (wantsComma && isMark(token, ')')) {
      yield list
      list = undefined
    } else if (wantsComma !== isMark(token, ',') || isMark(token, '(')) {
      throw broken(text, token, 'has a value that is no plain one')
    } else {
      if (!wantsComma) list.push(token)
      wantsComma = !wantsComma
    }
  }
}

function cellOf({ kind, value }: Token): string | undefined {
  return kind === 'word' && value.toLowerCase() === 'null' ? undefined : value
}

/** What stands without quotes is meant in small letters. */
function nameOf({ kind, value }: Token): string {
  return kind === 'name' ? value : value.toLowerCase()
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === 'word' && token.value.toLowerCase() === word
}

function isMark(token: Token | undefined, mark: string): boolean {
  return token?.kind === 'mark' && token.value === mark
}

function unescaped(content: string): string {
  return content.replace(/''|\\(.)/gsu, (all, char: string | undefined) =>
    char === undefined ? all.slice(1) : (ESCAPES[char] ?? char),
  )
}

function lineAt(text: string, at: number): number {
  return text.slice(0, at).split('\n').length
}

function broken(text: string, token: Token | undefined, problem: string): Error {
  return new Error(`line ${lineAt(text, token?.at ?? 0)} ${problem}`)
}
