import { Fault } from '@ostler/contract/fault.ts'

/** Words of `qa` that may stand anywhere before `--` (compatibility page 9.1). */
export interface Options {
  /** What `-f`, `--filter` or `-F` says. */
  readonly filter: string | undefined
  /** Of what is named: `-t`. */
  readonly tenant: string | undefined
  /** No question. */
  readonly force: boolean
  /** No titles, and nothing but what was asked for. */
  readonly quiet: boolean
  readonly format: 'table' | 'json' | 'csv'
  readonly watch: boolean
  /** Of a list, instead of the usual ones. */
  readonly columns: readonly string[] | undefined
  readonly sort: string | undefined
  readonly limit: string | undefined
}

const FLAGS = ['--force', '-q', '--quiet', '--json', '--csv', '--watch'] as const
const VALUES: Readonly<Record<string, string>> = {
  '-f': 'filter',
  '-F': 'filter',
  '--filter': 'filter',
  '-t': 'tenant',
  '--tenant': 'tenant',
  '--columns': 'columns',
  '--sort': 'sort',
  '--limit': 'limit',
}

/**
 * Takes the options out of the words of a command.
 * @returns what is left, in its order; a filter stands behind the action, where every command looks for it.
 * @throws Fault `client.choice` for an option without its value, or given twice.
 */
export function readOptions(words: readonly string[]): {
  readonly words: readonly string[]
  readonly options: Options
} {
  const flags = new Set<string>()
  const values = new Map<string, string>()
  const rest: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    const [, long, given] = /^(--[a-z]+)=(.*)$/s.exec(word) ?? []
    const key = VALUES[long ?? word]
    if (key !== undefined) {
      const value = long === undefined ? words[++at] : given
      if (value === undefined) throw choice(`${word} needs a value`)
      if (values.has(key)) throw choice(`${word} is given twice`)
      values.set(key, value)
    } else if (FLAGS.some((flag) => flag === word)) flags.add(word)
    else rest.push(word)
  }
  if (flags.has('--json') && flags.has('--csv')) throw choice('--json and --csv')
  const columns = values.get('columns')
  const options: Options = {
    filter: values.get('filter'),
    tenant: values.get('tenant'),
    force: flags.has('--force'),
    quiet: flags.has('-q') || flags.has('--quiet'),
    format: flags.has('--json') ? 'json' : flags.has('--csv') ? 'csv' : 'table',
    watch: flags.has('--watch'),
    columns: columns?.split(',').map((column) => column.trim()),
    sort: values.get('sort'),
    limit: values.get('limit'),
  }
  return { words: rest, options }
}

function choice(problem: string): Fault {
  return new Fault('client.choice', { problem, choices: [...Object.keys(VALUES), ...FLAGS].join(', ') })
}
