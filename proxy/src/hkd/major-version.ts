import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { chownSync, closeSync, existsSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bootstrapDatabase } from '../store/bootstrap.ts'
import { differences, openSnapshot, readContents } from '../store/contents.ts'
import type { DatabaseAddress } from '../store/open.ts'
import { type ClusterSettings, privateCluster, SUPERUSER } from './cluster.ts'
import { loadDump, requireRoom, writeDump } from './database-dump.ts'
import { newestVersion, programsOf, versionOf } from './postgres-programs.ts'

export interface MajorStepSettings {
  /** The node's own cluster. */
  readonly cluster: ClusterSettings
  /** Name of Ostler's database. */
  readonly database: string
  /** A folder for sockets that nobody else opens: doors must not write into what is being copied. */
  readonly sockets: string
  readonly log: Log
}

/**
 * Takes the data of an older major version of PostgreSQL over into the newest one that is installed, by dump and restore into
 * a folder of its own; the old folder is kept beside it under its version. Without the programs of the old version nothing
 * happens here: the start that follows says which package is missing.
 *
 * Killed at any moment, it begins again from the old data, whose tables are never written to; what it has finished it does
 * not do twice: the new folder has its last name but one (`.ready`) only when every table in it is as it was.
 *
 * @throws Fault `database.step` with the reason: the old data are where they were, and the old version can go on with them.
 */
export async function stepMajorVersion(settings: MajorStepSettings): Promise<void> {
  const { cluster, log } = settings
  const { data } = cluster
  const [draft, ready] = [`${data}.next`, `${data}.ready`]
  // It ended between the two renames: the old data have their new name, the new ones not yet.
  if (!existsSync(data) && existsSync(ready)) return void renameSync(ready, data)
  const [from, to] = [versionOf(data), newestVersion(cluster.programs)]
  if (from === undefined || to === undefined || from >= to) return
  if (!existsSync(join(programsOf(cluster.programs, from), 'postgres'))) return
  log.warn('data of an older PostgreSQL: they are taken over', { from, to })
  try {
    await privateCluster({ ...cluster, data: draft }).stop()
    for (const left of [draft, ready]) rmSync(left, { recursive: true, force: true })
    await copyInto(draft, to, settings)
    renameSync(draft, ready)
    const kept = keptName(data, from)
    renameSync(data, kept)
    renameSync(ready, data)
    log.warn('the data were taken over; the old ones may be removed when all is well', { kept })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('database.step', { from, to, folder: data, reason }, { cause })
  }
}

/** Makes a cluster of the newer version with everything that stands in the old one, compares them, and stops both. */
async function copyInto(
  draft: string,
  to: number,
  { cluster, database, sockets }: MajorStepSettings,
): Promise<void> {
  const { account } = cluster
  const at = (name: string): ClusterSettings['sockets'] => [{ path: join(sockets, name), gid: account.gid }]
  const address = (name: string, inside = database): DatabaseAddress => ({
    ...{ host: join(sockets, name), port: 5432, database: inside, user: SUPERUSER },
  })
  const older = privateCluster({ ...cluster, sockets: at('old') })
  const newer = privateCluster({ ...cluster, data: draft, keyFile: undefined, sockets: at('new') })
  const dump = `${draft}.dump`
  // It may still run, on the sockets that doors know.
  await older.stop()
  try {
    await older.ensure()
    await using snapshot = await openSnapshot(address('old'))
    requireRoom(dirname(draft), 3 * snapshot.bytes)
    await newer.ensure()
    await bootstrapDatabase(address('new', SUPERUSER), database)
    const fd = openSync(dump, 'w', 0o600)
    try {
      chownSync(dump, account.uid, account.gid)
      const programs = programsOf(cluster.programs, to)
      await writeDump(address('old'), snapshot.name, fd, { programs, account })
    } finally {
      closeSync(fd)
    }
    await loadDump(dump, { superuser: address('new'), data: draft, account, programs: cluster.programs })
    const differing = differences(snapshot.contents, await readContents(address('new')))
    if (differing.length > 0) throw new Error(`these tables are not as they were: ${differing.join(', ')}`)
  } finally {
    await newer.stop()
    await older.stop()
    rmSync(dump, { force: true })
    rmSync(sockets, { recursive: true, force: true })
  }
}

/** A name beside the data that nothing has. */
function keptName(data: string, version: number): string {
  const names = ['', ...Array.from({ length: 100 }, (_, index) => `.${index + 1}`)]
  const free = names.map((end) => `${data}.${version}${end}`).find((name) => !existsSync(name))
  if (free === undefined) throw new Error(`${data}.${version} and a hundred others are there already`)
  return free
}
