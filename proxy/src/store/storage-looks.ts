import { Fault } from '@ostler/contract/fault.ts'
import type { StorageLook, StoragePurge } from '@ostler/contract/storage-api.ts'
import { sql } from 'kysely'
import type { DiskImageKind } from '../model/disk-image.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** What a look has found. */
export interface FoundOrphan {
  readonly path: string
  readonly kind: string
  readonly why: string
  readonly bytes: number
  readonly modifiedAt: Date
  readonly identity: string
}

/** Looks are kept so many days, and what they found can be removed for so many hours. */
const KEPT_DAYS = 30
const FRESH_HOURS = 24

/** Asks every node that runs to look through its storage. @returns the numbers of the looks. */
export async function askForLooks(db: Db, by: string): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    WITH asked AS (
      INSERT INTO ostler.storage_look (host_id, by)
      SELECT id, ${by} FROM ostler.host WHERE state = 'running' RETURNING id)
    SELECT id, pg_notify('ostler_storage', id::text) FROM asked`.execute(db)
  return rows.map(({ id }) => id)
}

/** How looks stand, with what they found. */
export async function readLooks(db: Db, ids: readonly number[]): Promise<StorageLook[]> {
  const { rows } = await sql<StorageLook>`
    SELECT look.id, host.name AS host, look.ended_at IS NOT NULL AS ended, look.fault,
      coalesce((SELECT json_agg(json_build_object('id', id, 'kind', kind, 'path', path, 'bytes', bytes,
          'modified', modified_at, 'why', why) ORDER BY id)
        FROM ostler.storage_orphan WHERE look_id = look.id), '[]') AS orphans
    FROM ostler.storage_look AS look JOIN ostler.host ON host.id = host_id
    WHERE look.id = ANY (${[...ids]}) ORDER BY look.id`.execute(db)
  return rows
}

/**
 * Asks for the removal of what looks have found.
 * @throws Fault `storage.orphan` when a number is none of the last day, or was removed already; then nothing is asked for.
 */
export async function askForPurge(db: Db, ids: readonly number[]): Promise<void> {
  await transact(db, async (tx) => {
    const asked = await tx
      .updateTable('storage_orphan')
      .set({ purge_asked_at: sql<Date>`now()` })
      .where('id', 'in', ids)
      .where('purged_at', 'is', null)
      .where('look_id', 'in', (eb) =>
        eb
          .selectFrom('storage_look')
          .select('id')
          .where('asked_at', '>', sql<Date>`now() - make_interval(hours => ${FRESH_HOURS})`),
      )
      .returning('id')
      .execute()
    const missing = ids.filter((id) => !asked.some((each) => each.id === id))
    if (missing.length > 0)
      throw new Fault('storage.orphan', {
        reason: `${missing.join(', ')} was not listed, or is removed already`,
      })
    await sql`SELECT pg_notify('ostler_storage', 'purge')`.execute(tx)
  })
}

/** How removals that were asked for stand. */
export async function readPurges(db: Db, ids: readonly number[]): Promise<StoragePurge[]> {
  const { rows } = await sql<StoragePurge>`
    SELECT id, path, purged_at IS NOT NULL OR purge_asked_at IS NULL AS ended, fault
    FROM ostler.storage_orphan WHERE id = ANY (${[...ids]}) ORDER BY id`.execute(db)
  return rows
}

/** What there are rows of, against which a storage is held. */
export async function storageRows(db: Db): Promise<{
  desktops: ReadonlySet<number>
  users: ReadonlySet<number>
  flavours: ReadonlySet<number>
  images: { id: number; name: string; kind: DiskImageKind; path: string }[]
}> {
  const numbers = async (table: 'vm' | 'users' | 'flavour'): Promise<ReadonlySet<number>> =>
    new Set((await db.selectFrom(table).select('id').execute()).map(({ id }) => id))
  const images = await db.selectFrom('disk_image').select(['id', 'name', 'kind', 'path']).execute()
  const [desktops, users, flavours] = [await numbers('vm'), await numbers('users'), await numbers('flavour')]
  return { desktops, users, flavours, images }
}

/** The looks that a node was asked for and has not made. Old ones are forgotten. */
export async function openLooks(db: Db, hostId: number): Promise<number[]> {
  await db
    .deleteFrom('storage_look')
    .where('asked_at', '<', sql<Date>`now() - make_interval(days => ${KEPT_DAYS})`)
    .execute()
  const rows = await db
    .selectFrom('storage_look')
    .select('id')
    .where('host_id', '=', hostId)
    .where('ended_at', 'is', null)
    .execute()
  return rows.map(({ id }) => id)
}

/** Writes down what a look has found, or why it found nothing out. */
export async function endLook(
  db: Db,
  id: number,
  outcome: readonly FoundOrphan[] | { readonly fault: string },
): Promise<void> {
  await transact(db, async (tx) => {
    const found = 'fault' in outcome ? [] : outcome
    if (found.length > 0)
      await tx
        .insertInto('storage_orphan')
        .values(found.map(({ modifiedAt, ...row }) => ({ ...row, look_id: id, modified_at: modifiedAt })))
        .execute()
    const fault = 'fault' in outcome ? outcome.fault : null
    await tx
      .updateTable('storage_look')
      .set({ ended_at: sql<Date>`now()`, fault })
      .where('id', '=', id)
      .execute()
  })
}

/** What a node was asked to remove and has not. */
export async function openPurges(
  db: Db,
  hostId: number,
): Promise<{ id: number; path: string; identity: string }[]> {
  return await db
    .selectFrom('storage_orphan')
    .innerJoin('storage_look', 'storage_look.id', 'look_id')
    .select(['storage_orphan.id', 'path', 'identity'])
    .where('host_id', '=', hostId)
    .where('purge_asked_at', 'is not', null)
    .where('purged_at', 'is', null)
    .execute()
}

/** Writes down that something was removed, or why not: then it may be asked for again. */
export async function endPurge(db: Db, id: number, fault: string | null): Promise<void> {
  const set = fault === null ? { purged_at: sql<Date>`now()`, fault } : { purge_asked_at: null, fault }
  await db.updateTable('storage_orphan').set(set).where('id', '=', id).execute()
}
