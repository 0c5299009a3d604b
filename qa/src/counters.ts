import { COUNTERS_PATHS } from '@ostler/contract/admin-api.ts'
import type { Action } from './commands.ts'
import { ruledTable } from './table.ts'

const HOST_TITLES = {
  ...{
    id: 'Id',
    name: 'Name',
    http_requests: 'HTTP Requests',
    auth_attempts: 'Auth attempts',
    auth_ok: 'Auth OK',
  },
  ...{ nx_attempts: 'NX attempts', nx_ok: 'NX OK', short_sessions: 'Short sessions' },
}
const DESKTOP_TITLES = { id: 'Id', name: 'Name', run_attempts: 'Run attempts', run_ok: 'Run OK' }

type Row = Readonly<Record<string, unknown>>

/** `qa host counters [-f FILTER]` */
export const hostCounters: Action = async (words, api, out) => {
  const rows = (await api.get(COUNTERS_PATHS.host + queryOf(words))) as Row[]
  for (const line of titled(HOST_TITLES, rows, !out.options.quiet)) out.show(line)
}

/** `qa vm counters [-f FILTER]`: totals, then each desktop. */
export const desktopCounters: Action = async (words, api, out) => {
  const rows = (await api.get(COUNTERS_PATHS.vm + queryOf(words))) as Row[]
  const total = {
    'Virtual machines': String(rows.length),
    Running: String(rows.filter((row) => row['running'] === true).length),
    Blocked: String(rows.filter((row) => row['blocked'] === true).length),
  }
  for (const line of ruledTable(Object.keys(total), [total], !out.options.quiet)) out.show(line)
  out.show('')
  for (const line of titled(DESKTOP_TITLES, rows, !out.options.quiet)) out.show(line)
}

function titled(
  titles: Readonly<Record<string, string>>,
  rows: readonly Row[],
  withTitles: boolean,
): string[] {
  const shown = rows.map((row) =>
    Object.fromEntries(Object.entries(titles).map(([key, title]) => [title, row[key]])),
  )
  return ruledTable(Object.values(titles), shown, withTitles)
}

function queryOf(words: readonly string[]): string {
  const [flag, filter] = words
  return flag === '-f' && filter !== undefined ? `?${new URLSearchParams({ filter }).toString()}` : ''
}
