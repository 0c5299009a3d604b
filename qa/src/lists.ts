import { ADMIN_OBJECTS, type AdminObject } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Action, CommandConsole } from './commands.ts'
import type { Options } from './options.ts'
import { csv, ruledTable, table } from './table.ts'

type Row = Readonly<Record<string, unknown>>
type Columns = readonly (readonly [title: string, of: (row: Row) => unknown])[]

/** QVD's columns (compatibility page 9.1); what is not known here is `-`. */
const QVD_COLUMNS: Partial<Readonly<Record<AdminObject, Columns>>> = {
  host: [
    ['Id', (row) => row['id']],
    ['Name', (row) => row['name']],
    ['Address', (row) => row['address']],
    ['HKD', (row) => age(row['seen'])],
    ['Usable RAM', (row) => row['memory']],
    ['Usable CPU', () => null],
    ['VMs assigned', (row) => row['desktops']],
    ['Blocked', (row) => bit(row['blocked'])],
    ['State', (row) => row['state']],
  ],
  osf: [
    ['Id', (row) => row['id']],
    ['Name', (row) => row['name']],
    ['RAM', (row) => row['memory']],
    ['Overlay', () => 1],
    ['UserHD', (row) => row['home_mb']],
    ['IsApplication', (row) => bit(row['is_application'])],
  ],
  di: [
    ['Id', (row) => row['id']],
    ['OSF', (row) => row['osf']],
    ['Version', (row) => row['version']],
    ['Path', (row) => row['path']],
    ['Tags', (row) => row['tags']],
    // Ours, behind QVD's: whether it is copied, ready or broken.
    ['State', (row) => row['state']],
  ],
  user: [
    ['Id', (row) => row['id']],
    ['Login', (row) => row['login']],
    ['Tenant', (row) => row['tenant']],
    ['Role', (row) => row['role']],
    ['Blocked', (row) => bit(row['blocked'])],
  ],
  vm: [
    ['Id', (row) => row['id']],
    ['Name', (row) => row['name']],
    ['User', (row) => row['user']],
    ['RealUser', () => null],
    ['Ip', (row) => row['address']],
    ['OSF', (row) => row['osf']],
    ['DI_Tag', (row) => row['di_tag']],
    ['DI', (row) => row['di_next']],
    ['Running DI', (row) => row['di']],
    ['Host', (row) => row['host']],
    ['State', (row) => row['state']],
    ['L7R', () => null],
    ['UserState', (row) => row['user_state']],
    ['Blocked', (row) => bit(row['blocked'])],
    ['Expire soft', (row) => localTime(row['expire_soft'])],
    ['Expire hard', (row) => localTime(row['expire_hard'])],
  ],
}

/** `qa OBJECT list [-f FILTER] [--sort=…] [--limit=…] [--columns=…] [-q] [--json|--csv] [--watch]` */
export function listed(object: AdminObject): Record<'list', Action> {
  const { path } = ADMIN_OBJECTS[object]
  return { list: async (words, api, out) => await list(path, QVD_COLUMNS[object], words, api, out) }
}

/** The same of a list without QVD's columns. */
export function listedAt(path: string): Record<'list', Action> {
  return { list: async (words, api, out) => await list(path, undefined, words, api, out) }
}

async function list(
  path: string,
  columns: Columns | undefined,
  words: readonly string[],
  api: Parameters<Action>[1],
  out: CommandConsole,
): Promise<void> {
  const { options } = out
  if (words.length > 0) throw choice(`list takes no ${words.join(' ')}`, ['-f FILTER', '--columns=…'])
  const address = path + queryOf(options)
  if (options.watch) return void (await watchList(address, columns, api, out))
  const rows = (await api.get(address)) as Row[]
  for (const line of linesOf(rows, columns, options, !options.quiet)) out.show(line)
}

/** Prints the rows once, and then each that comes, changes or goes, until it is interrupted. */
async function watchList(
  address: string,
  columns: Columns | undefined,
  api: Parameters<Action>[1],
  out: CommandConsole,
): Promise<void> {
  const { options } = out
  const first: Row[] = []
  const told = { ready: false }
  // The api ends a stream after an hour: it is opened again, and tells everything once more.
  for (;;) {
    await api.watch(address, (event, data) => {
      if (event === 'row' && !told.ready) first.push(data as Row)
      else if (event === 'ready') {
        told.ready = true
        for (const line of linesOf(first.splice(0), columns, options, !options.quiet)) out.show(line)
      } else if (event === 'row')
        for (const line of linesOf([data as Row], columns, options, false)) out.show(line)
      else if (event === 'gone') out.show(`${JSON.stringify((data as Row)['id'])} is gone`)
      return true
    })
    if (!wasReady(told)) return
    told.ready = false
  }
}

/** What a callback has set meanwhile. */
function wasReady({ ready }: { readonly ready: boolean }): boolean {
  return ready
}

function linesOf(
  rows: readonly Row[],
  columns: Columns | undefined,
  { format, columns: chosen }: Options,
  withTitles: boolean,
): readonly string[] {
  const strange = chosen?.find((column) => rows[0] !== undefined && !(column in rows[0]))
  if (strange !== undefined) throw choice(`there is no column ${strange}`, Object.keys(rows[0] ?? {}))
  const cut = (row: Row): Row =>
    chosen === undefined ? row : Object.fromEntries(chosen.map((column) => [column, row[column]]))
  if (format === 'json')
    return withTitles ? [JSON.stringify(rows.map(cut), null, 2)] : rows.map((row) => JSON.stringify(cut(row)))
  const names = chosen ?? Object.keys(rows[0] ?? {})
  if (format === 'csv') return csv(names, rows, withTitles && names.length > 0)
  if (chosen !== undefined || columns === undefined) {
    const lines = table(rows.map(cut))
    return withTitles ? lines : lines.slice(1)
  }
  const titles = columns.map(([title]) => title)
  const shown = rows.map((row) => Object.fromEntries(columns.map(([title, of]) => [title, of(row)])))
  return ruledTable(titles, shown, withTitles)
}

function queryOf({ filter, tenant, sort, limit }: Options): string {
  const narrowed = [filter ?? '', tenant === undefined ? '' : `tenant=${tenant}`].filter(
    (part) => part !== '',
  )
  const query = new URLSearchParams({
    ...(narrowed.length === 0 ? {} : { filter: narrowed.join(',') }),
    ...(sort === undefined ? {} : { sort }),
    ...(limit === undefined ? {} : { limit }),
  }).toString()
  return query === '' ? '' : `?${query}`
}

function bit(value: unknown): unknown {
  return typeof value === 'boolean' ? Number(value) : value
}

/** hh:mm:ss since then. */
function age(value: unknown): string | null {
  if (typeof value !== 'string') return null
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(value)) / 1_000))
  const two = (number: number): string => String(number).padStart(2, '0')
  return `${two(Math.floor(seconds / 3_600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
}

function localTime(value: unknown): string | null {
  if (typeof value !== 'string') return null
  const at = new Date(value)
  const two = (number: number): string => String(number).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

function choice(problem: string, choices: readonly string[]): Fault {
  return new Fault('client.choice', { problem, choices: choices.join(', ') })
}
