import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { closeSync, fchmodSync, fchownSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { readdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { BackupMade } from '../store/backups.ts'
import { differences, inTrialDatabase, openSnapshot, readContents, rowsOf } from '../store/contents.ts'
import type { DatabaseAddress } from '../store/open.ts'
import { programsFor, runAsOwner } from './postgres-programs.ts'

/** The database that is saved, and where to. */
export interface DumpSettings {
  /** Its superuser, on the unix socket, in the database itself. */
  readonly superuser: DatabaseAddress
  /** The data folder: a trial needs room there. */
  readonly data: string
  /** Folder with PostgreSQL's programs by version. */
  readonly programs: string
  /** Whom the cluster runs as: pg_dump and pg_restore run as it, never as root. */
  readonly account: Account
  /** `path.backup`, root's alone. */
  readonly folder: string
  /** How many files are kept. */
  readonly keep: number
}

/** A dump may take long, not for ever. */
export const DUMP_MS = 3_600_000
const FILE = /^ostler-\d{8}T\d{6}Z-[0-9]+\.dump$/
const DRAFT = /^ostler-.*\.draft$/
const MEGABYTE = 2 ** 20
/** Room that stays free beside a backup. */
const SPARE = 64 * MEGABYTE

/**
 * Saves the database into a file, and believes it only when it has been restored for a trial and every table has the rows
 * that it had at the moment of the dump. Then the file gets its name, and the oldest beyond `keep` go.
 *
 * @param number of the backup, a part of the file's name.
 * @param signal ends it; nothing stays behind.
 * @throws Fault `backup.*`, `database.unavailable`. No file has been added or removed then.
 */
export async function saveDatabase(
  settings: DumpSettings,
  number: number,
  signal: AbortSignal,
): Promise<BackupMade> {
  const { folder, account } = settings
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const draft of readdirSync(folder).filter((name) => DRAFT.test(name))) rmSync(join(folder, draft))
  const file = `ostler-${stamp(new Date())}-${number}.dump`
  const draft = join(folder, `${file}.draft`)
  try {
    const fd = openSync(draft, 'wx+', 0o600)
    try {
      // Only while it is written: the programs open it by our descriptor, since the folder is root's.
      fchownSync(fd, account.uid, account.gid)
      const rows = await dumpAndTry(settings, fd, signal)
      fchownSync(fd, 0, 0)
      fchmodSync(fd, 0o600)
      fsyncSync(fd)
      renameSync(draft, join(folder, file))
      syncFolder(folder)
      prune(settings)
      return { file, bytes: statSync(join(folder, file)).size, rows }
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    rmSync(draft, { force: true })
    throw backupFault(error, folder)
  }
}

/** Restores a dump into a database in which nothing of it is yet, whole or not at all. */
export async function loadDump(
  file: string,
  { superuser, ...server }: Pick<DumpSettings, 'superuser' | 'data' | 'programs' | 'account'>,
): Promise<void> {
  const fd = openSync(file, 'r')
  try {
    await restore(superuser, server, fd)
  } finally {
    closeSync(fd)
  }
}

/** @returns the rows of all tables. */
async function dumpAndTry(settings: DumpSettings, fd: number, signal: AbortSignal): Promise<number> {
  const { superuser, data, programs, account, folder } = settings
  await using snapshot = await openSnapshot(superuser)
  requireRoom(folder, snapshot.bytes)
  requireRoom(data, 2 * snapshot.bytes) // and as much again in its journal
  await writeDump(superuser, snapshot.name, fd, { programs: programsFor(data, programs), account, signal })
  await snapshot[Symbol.asyncDispose]()
  const differing = await inTrialDatabase({ ...superuser, database: superuser.user }, async (trial) => {
    await restore(trial, settings, fd, signal)
    return differences(snapshot.contents, await readContents(trial))
  })
  if (differing.length > 0) throw new Fault('backup.differs', { tables: differing.join(', ') })
  return rowsOf(snapshot.contents)
}

/**
 * Writes all tables of a moment into an open file of the account's.
 * @param snapshot of `openSnapshot`, which must be open until this is done.
 * @param by whose programs write it: a newer version's reads older servers, not the other way round.
 */
export async function writeDump(
  from: DatabaseAddress,
  snapshot: string,
  fd: number,
  by: { readonly programs: string; readonly account: Account; readonly signal?: AbortSignal },
): Promise<void> {
  const what = ['--format=custom', '--schema=ostler', `--snapshot=${snapshot}`, '--file=/dev/fd/3']
  await runAsOwner(by.account, join(by.programs, 'pg_dump'), [...what, ...connectionOf(from)], {
    ...{ files: [fd], timeoutMs: DUMP_MS },
    ...(by.signal === undefined ? {} : { signal: by.signal }),
  })
}

async function restore(
  to: DatabaseAddress,
  { data, programs, account }: Pick<DumpSettings, 'data' | 'programs' | 'account'>,
  fd: number,
  signal?: AbortSignal,
): Promise<void> {
  const args = ['--exit-on-error', '--single-transaction', ...connectionOf(to), '/dev/fd/3']
  await runAsOwner(account, join(programsFor(data, programs), 'pg_restore'), args, {
    files: [fd],
    timeoutMs: DUMP_MS,
    ...(signal === undefined ? {} : { signal }),
  })
}

function connectionOf({ host, port, user, database }: DatabaseAddress): string[] {
  return [`--host=${host}`, `--port=${port}`, `--username=${user}`, '--no-password', `--dbname=${database}`]
}

/** @throws Fault `backup.noSpace`. */
export function requireRoom(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder)
  const [needed, free] = [bytes + SPARE, bavail * bsize]
  if (free >= needed) return
  const megabytes = (count: number): number => Math.ceil(count / MEGABYTE)
  throw new Fault('backup.noSpace', { folder, needed: megabytes(needed), free: Math.floor(free / MEGABYTE) })
}

/** Only files that are named as ours are. */
function prune({ folder, keep }: DumpSettings): void {
  const files = readdirSync(folder)
    .filter((name) => FILE.test(name))
    .sort((a, b) => statSync(join(folder, b)).mtimeMs - statSync(join(folder, a)).mtimeMs)
  for (const old of files.slice(keep)) rmSync(join(folder, old), { force: true })
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function backupFault(error: unknown, folder: string): Fault {
  if (error instanceof Fault && error.code !== 'database.unavailable') return error
  const reason = error instanceof Fault ? String(error.detail['reason'] ?? '') : String(error)
  return new Fault('backup.failed', { reason: `${reason} (folder ${folder})` }, { cause: error })
}

/** UTC, as in file names: 20261231T235959Z. */
function stamp(at: Date): string {
  return at.toISOString().replace(/[-:]|\.\d+/g, '')
}
