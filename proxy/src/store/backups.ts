import type { BackupState } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import type { BackupHistory } from '../model/backup-time.ts'
import type { Db } from './open.ts'

/** A backup that was asked for. */
export interface BackupRow {
  readonly id: number
  readonly by: string
  readonly askedAt: Date
  readonly endedAt: Date | null
  /** Name of its file; null until it was verified. */
  readonly file: string | null
  readonly bytes: number | null
  /** Rows of all tables. */
  readonly rows: number | null
  readonly fault: string | null
}

/** What a backup that was made and verified holds. */
export interface BackupMade {
  readonly file: string
  readonly bytes: number
  readonly rows: number
}

/** How many of the newest are listed. */
const LISTED = 30

/** Asks hkd for a backup and returns its number. */
export async function askForBackup(db: Db, by: string): Promise<number> {
  const { rows } = await sql<{ id: number }>`
    WITH asked AS (INSERT INTO ostler.backup (by) VALUES (${by}) RETURNING id)
    SELECT id, pg_notify('ostler_backup', id::text) FROM asked`.execute(db)
  return rows[0]?.id ?? 0
}

/** The newest backups, newest first. */
export async function listBackups(db: Db): Promise<BackupRow[]> {
  const rows = await db.selectFrom('backup').selectAll().orderBy('id', 'desc').limit(LISTED).execute()
  return rows.map(({ asked_at: askedAt, ended_at: endedAt, started_at: _, ...row }) => ({
    ...row,
    askedAt,
    endedAt,
    bytes: row.bytes === null ? null : Number(row.bytes),
    rows: row.rows === null ? null : Number(row.rows),
  }))
}

/** How one backup stands. @throws Fault `backup.unknown`. */
export async function findBackup(db: Db, id: number): Promise<BackupState> {
  const row = await db
    .selectFrom('backup')
    .select(['ended_at', 'file', 'fault'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (row === undefined) throw new Fault('backup.unknown', { number: id })
  return { ended: row.ended_at !== null, file: row.file, fault: row.fault }
}

/** Takes all that were asked for and not begun: one backup answers them all. */
export async function takeBackups(db: Db): Promise<readonly number[]> {
  const taken = await db
    .updateTable('backup')
    .set({ started_at: new Date() })
    .where('started_at', 'is', null)
    .returning('id')
    .execute()
  return taken.map(({ id }) => id)
}

/** Writes down what came of backups: what was made, or why none was. */
export async function endBackups(
  db: Db,
  ids: readonly number[],
  outcome: BackupMade | { readonly fault: string },
): Promise<void> {
  await db
    .updateTable('backup')
    .set({ ended_at: new Date(), ...outcome })
    .where('id', 'in', ids)
    .execute()
}

/** Closes those that an hkd had begun which is no more; returns how many they were. */
export async function closeInterruptedBackups(db: Db): Promise<number> {
  const closed = await db
    .updateTable('backup')
    .set({ ended_at: new Date(), fault: 'hkd ended meanwhile' })
    .where('started_at', 'is not', null)
    .where('ended_at', 'is', null)
    .returning('id')
    .execute()
  return closed.length
}

/** What the hour of the next one depends on. */
export async function lastBackups(db: Db): Promise<BackupHistory> {
  const { rows } = await sql<BackupHistory>`
    SELECT (SELECT max(asked_at) FROM ostler.backup WHERE file IS NOT NULL) AS "verifiedAt",
      (SELECT max(asked_at) FROM ostler.backup) AS "triedAt",
      (SELECT min(timestamp)::timestamptz FROM ostler.kysely_migration) AS "madeAt"`.execute(db)
  const [row] = rows
  if (row === undefined) throw new Error('a SELECT without a table gave no row')
  return row
}
