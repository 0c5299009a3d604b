import type { Account } from '@ostler/kit/passwd.ts'
import { chownSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { differences, openSnapshot, readContents, rowsOf } from '../store/contents.ts'
import type { DatabaseAddress } from '../store/open.ts'
import { DUMP_MS, requireRoom, writeDump } from './database-dump.ts'
import { programsFor, runAsOwner } from './postgres-programs.ts'

/** A server that takes the tables, and how PostgreSQL's own programs find it: they are told by their environment. */
export interface MoveTarget {
  readonly address: DatabaseAddress
  /** PGHOST and the like, the password among them. Nobody but root and the owner of the process can read that. */
  readonly env: Readonly<Record<string, string>>
}

export interface MoveSource {
  /** The superuser of the private cluster, in Ostler's database. */
  readonly superuser: DatabaseAddress
  readonly data: string
  /** Folder with PostgreSQL's programs by version. */
  readonly programs: string
  readonly account: Account
  /** Where the dump lies meanwhile: a folder of root's with room for it. */
  readonly folder: string
}

export interface Moved {
  readonly tables: number
  readonly rows: number
}

/**
 * Copies all tables from one server to another that has none of them, whole or not at all, and compares each.
 * @throws Fault `database.unavailable`, `backup.noSpace`; Error when tables differ.
 */
export async function copyDatabase(source: MoveSource, target: MoveTarget): Promise<Moved> {
  const { superuser, data, account } = source
  const programs = programsFor(data, source.programs)
  await using snapshot = await openSnapshot(superuser)
  mkdirSync(source.folder, { recursive: true, mode: 0o700 })
  requireRoom(source.folder, snapshot.bytes)
  const folder = mkdtempSync(join(source.folder, 'move-'))
  try {
    const fd = openSync(join(folder, 'dump'), 'wx+', 0o600)
    try {
      chownSync(join(folder, 'dump'), account.uid, account.gid)
      await writeDump(superuser, snapshot.name, fd, { programs, account })
      const whole = ['--exit-on-error', '--single-transaction', '--no-password']
      const into = `--dbname=${target.address.database}`
      await runAsOwner(account, join(programs, 'pg_restore'), [...whole, into, '/dev/fd/3'], {
        ...{ files: [fd], timeoutMs: DUMP_MS, env: target.env },
      })
    } finally {
      closeSync(fd)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  const differing = differences(snapshot.contents, await readContents(target.address))
  if (differing.length > 0) throw new Error(`these tables are not as they were: ${differing.join(', ')}`)
  return { tables: snapshot.contents.size, rows: rowsOf(snapshot.contents) }
}
