import { sql } from 'kysely'
import type { Db } from './open.ts'

/** A home whose files are to be moved or removed. */
export interface HomeWork {
  readonly id: number
  readonly path: string
  readonly movingTo: string | null
  readonly isMade: boolean
}

/** Homes that are to be moved by a node: those on its own storage, and those on everybody's. */
export async function homesToMove(db: Db, hostId: number): Promise<HomeWork[]> {
  const { rows } = await sql<HomeWork>`
    SELECT id, path, moving_to AS "movingTo", made_at IS NOT NULL AS "isMade" FROM ostler.home
    WHERE moving_to IS NOT NULL AND NOT purging AND (host_id IS NULL OR host_id = ${hostId}) ORDER BY id`.execute(
    db,
  )
  return rows
}

/** Writes down that a home lies where it was to be moved, unless it is to go elsewhere by now. */
export async function homeMoved(db: Db, { id, movingTo }: HomeWork): Promise<void> {
  await sql`
    UPDATE ostler.home SET path = moving_to, moving_to = NULL, trouble = NULL
    WHERE id = ${id} AND moving_to = ${movingTo}`.execute(db)
}

/**
 * Takes the homes whose time in the trash is over, also those of which the removal was cut short: from here on they are not brought
 * back, and their rows stay until nothing is left of them.
 */
export async function homesToPurge(db: Db, hostId: number): Promise<HomeWork[]> {
  const { rows } = await sql<HomeWork>`
    UPDATE ostler.home SET purging = true
    WHERE trashed_at IS NOT NULL AND (purging OR purge_at <= now()) AND (host_id IS NULL OR host_id = ${hostId})
    RETURNING id, path, moving_to AS "movingTo", made_at IS NOT NULL AS "isMade"`.execute(db)
  return rows
}

/** A home of a desktop of a node whose flavour has come to allow more than it was mounted with. */
export interface HomeToGrow {
  readonly id: number
  readonly path: string
  readonly limitMb: number
}

/** Homes in files that are in use on a node and are to grow; those at rest grow when they are mounted. */
export async function homesToGrow(db: Db, hostId: number): Promise<HomeToGrow[]> {
  const { rows } = await sql<HomeToGrow>`
    SELECT home.id, home.path, flavour.home_mb AS "limitMb"
    FROM ostler.home JOIN ostler.flavour ON flavour.id = home.flavour_id
    WHERE home.kind = 'image' AND home.writer_host = ${hostId} AND home.made_at IS NOT NULL
      AND home.trashed_at IS NULL AND home.moving_to IS NULL AND flavour.home_mb > home.limit_mb
    ORDER BY home.id`.execute(db)
  return rows
}

/** Writes down how large a home is by now. */
export async function homeGrown(db: Db, { id, limitMb }: HomeToGrow): Promise<void> {
  await sql`
    UPDATE ostler.home SET limit_mb = greatest(limit_mb, ${limitMb}::int), trouble = NULL
    WHERE id = ${id} AND trashed_at IS NULL`.execute(db)
}

/** Removes the row of a home that has no files any more, or never had any. */
export async function homePurged(db: Db, id: number): Promise<void> {
  await db.deleteFrom('home').where('id', '=', id).where('trashed_at', 'is not', null).execute()
}

/** Says why a home could not be moved or removed; whoever lists homes sees it. */
export async function noteHomeTrouble(db: Db, id: number, trouble: string): Promise<void> {
  await db.updateTable('home').set({ trouble }).where('id', '=', id).execute()
}
