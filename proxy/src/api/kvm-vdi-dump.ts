import { Fault } from '@ostler/contract/fault.ts'
import type { TakenKind } from '@ostler/contract/take-over.ts'
import type { ForeignContents } from '../store/foreign-contents.ts'
import { insertedRows } from './dumped-inserts.ts'

type Row = Readonly<Record<string, string | undefined>>
type Note = readonly [kind: TakenKind, name: string, text: string]

/** What a dump holds, in our words, and what of it nobody can take over. */
export interface KvmVdi {
  readonly contents: ForeignContents
  readonly notes: readonly Note[]
}

/** Tables of the dashboard, versions of 2016 and 2017. */
const TABLES = ['clients', 'config', 'hypervisors', 'pool', 'poolmap', 'poolmap_vm', 'users', 'vms'] as const
type Table = (typeof TABLES)[number]
/** Memory of machines is not in its database: libvirt has it. MB. */
const MEMORY = 2_048

/**
 * Reads a dump of KVM-VDI's database, as `mysqldump` or phpMyAdmin writes it, with its `CREATE TABLE` statements. An initial machine
 * becomes a flavour, the machines that were made from it and are somebody's become desktops, pools become groups.
 *
 * @throws Fault `import.foreign` for what is no such dump, `request.invalid` with the line for what cannot be read.
 */
export function readKvmVdi(text: string): KvmVdi {
  const tables = readTables(text)
  const of = (table: Table): readonly Row[] => tables.get(table) ?? []
  const notes: Note[] = []
  const clients = new Map(of('clients').map((row) => [numberOf(row, 'id'), textOf(row, 'username')]))
  const machines = of('vms')
  const desktops: ForeignContents['vms'][number][] = []
  for (const machine of machines.filter((each) => textOf(each, 'machine_type') === 'vdimachine')) {
    const [name, owner] = [textOf(machine, 'name'), numberOf(machine, 'clientid')]
    if (clients.has(owner))
      desktops.push({
        ...{ id: numberOf(machine, 'id'), name, user_id: owner, osf_id: numberOf(machine, 'source_volume') },
        ...{ di_tag: 'default', ip: null, blocked: textOf(machine, 'maintenance') === 'true' },
      })
    else notes.push(['vm', name, 'left out: it is nobody’s; a pool here makes what is wanted (qa pool add)'])
  }
  const initial = machines.filter((each) => textOf(each, 'machine_type') === 'initialmachine')
  for (const machine of initial) {
    const name = textOf(machine, 'name')
    notes.push([
      'osf',
      name,
      `gets ${MEMORY} MB, since its memory is in libvirt alone; its disk is what "virsh domblklist ${name}" says: qa di add osf=${name} path=…`,
    ])
  }
  for (const machine of machines) {
    const kind = textOf(machine, 'machine_type')
    if (kind !== 'vdimachine' && kind !== 'initialmachine')
      notes.push(['vm', textOf(machine, 'name'), `left out: a ${kind} is no desktop of a user`])
  }
  for (const name of clients.values())
    notes.push(['user', name, 'has no password here: qa user passwd, or a sign-in by a directory'])
  const members = (pool: number): number[] =>
    of('poolmap')
      .filter((row) => numberOf(row, 'poolid') === pool)
      .map((row) => numberOf(row, 'clientid'))
  for (const pool of of('pool')) notes.push(['pool', textOf(pool, 'name'), poolText(pool, of)])
  return {
    contents: {
      version: of('config').find((row) => row['name'] === 'dbversion')?.['valuechar'] ?? 'unknown',
      ...{ tenants: [], dis: [], di_tags: [], properties: [], configs: [] },
      users: [...clients].map(([id, login]) => ({
        id,
        login,
        tenant_id: null,
        password: null,
        blocked: false,
      })),
      groups: of('pool').map((pool) => ({
        name: textOf(pool, 'name'),
        members: members(numberOf(pool, 'id')),
      })),
      osfs: initial.map((machine) => ({
        ...{ id: numberOf(machine, 'id'), name: textOf(machine, 'name'), tenant_id: null, memory: MEMORY },
        ...{ use_overlay: true, user_storage_size: null, is_application: false, hypervisor: 'kvm' },
      })),
      vms: desktops,
      hosts: of('hypervisors').map((row) => ({ name: textOf(row, 'name') })),
      administrators: of('users').map((row) => ({ name: textOf(row, 'username') })),
    },
    notes,
  }
}

/** What makes of a pool there a pool here. */
function poolText(pool: Row, of: (table: Table) => readonly Row[]): string {
  const id = numberOf(pool, 'id')
  const machines = of('poolmap_vm').filter((row) => numberOf(row, 'poolid') === id)
  const source = of('vms').find((row) => numberOf(row, 'id') === numberOf(machines[0] ?? {}, 'vmid'))
  const flavour = of('vms').find((row) => numberOf(row, 'id') === numberOf(source ?? {}, 'source_volume'))
  const osf = flavour === undefined ? '…' : textOf(flavour, 'name')
  const name = textOf(pool, 'name')
  return `its users are a group; with its ${machines.length} machines: qa pool add name=${name} osf=${osf} size=${machines.length} for=${name}`
}

function readTables(text: string): ReadonlyMap<Table, readonly Row[]> {
  const columns = createdColumns(text)
  if (!['clients', 'vms', 'pool', 'poolmap'].every((table) => columns.has(table)))
    throw new Fault('import.foreign', { database: 'of the dump', whose: 'KVM-VDI' })
  const tables = new Map<Table, Row[]>()
  for (const table of TABLES) if (columns.has(table)) tables.set(table, [])
  try {
    for (const row of insertedRows(text, TABLES, 'mysql')) {
      const names = row.columns ?? columns.get(row.table)
      if (names?.length !== row.cells.length)
        throw new Error(
          `line ${row.line} has ${row.cells.length} values for ${names?.length ?? 'no'} columns`,
        )
      tables.get(row.table as Table)?.push(Object.fromEntries(names.map((name, at) => [name, row.cells[at]])))
    }
  } catch (cause) {
    throw new Fault('request.invalid', { problem: `the dump: ${(cause as Error).message}` }, { cause })
  }
  return tables
}

/** Columns of the tables that a dump makes, in their order: its `INSERT` statements need not name them. */
function createdColumns(text: string): ReadonlyMap<string, readonly string[]> {
  const made = text.matchAll(/^CREATE TABLE (?:IF NOT EXISTS )?`(\w+)` \(\n(.*?)\n\)/gmsu)
  return new Map(
    [...made].map(([, table = '', body = '']) => [
      table,
      [...body.matchAll(/^ *`(\w+)` /gmu)].map(([, column = '']) => column),
    ]),
  )
}

function numberOf(row: Row, column: string): number {
  return Number(row[column] ?? 0) || 0
}

function textOf(row: Row, column: string): string {
  return row[column] ?? ''
}
