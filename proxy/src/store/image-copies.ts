import { sql } from 'kysely'
import type { DiskImageKind } from '../model/disk-image.ts'
import type { ImageProgress, ImageState } from '../model/image-copy.ts'
import type { Db } from './open.ts'

/** An image that hkd brings from the staging folder. */
export interface StagedRow {
  readonly id: number
  readonly name: string
  readonly kind: DiskImageKind
  /** A file's name. */
  readonly path: string
  /** What it must hash to, if that was said. */
  readonly sha256: string | null
  /** How it stood on the node when that was last written down. */
  readonly state: ImageState
  readonly reason: string | null
}

/** The images that were added from the staging folder, as they stand on a node. */
export async function stagedImages(db: Db, hostId: number): Promise<StagedRow[]> {
  return await db
    .selectFrom('disk_image')
    .leftJoin('image_copy as copy', (join) =>
      join.onRef('copy.disk_image_id', '=', 'disk_image.id').on('copy.host_id', '=', hostId),
    )
    .select(['disk_image.id', 'name', 'kind', 'path', 'disk_image.sha256', 'copy.reason'])
    .select((eb) => eb.fn.coalesce('copy.state', sql.lit<ImageState>('new')).as('state'))
    .where('path', 'not like', '/%')
    .orderBy('disk_image.id')
    .execute()
}

/** Writes down how an image stands on a node. One that was removed meanwhile has no place to stand. */
export async function noteImageCopy(
  db: Db,
  hostId: number,
  imageId: number,
  { state, reason, bytesDone, bytes, sha256 }: ImageProgress & { readonly sha256: string | null },
): Promise<void> {
  await sql`
    INSERT INTO ostler.image_copy (disk_image_id, host_id, state, reason, bytes_done, bytes, sha256)
    SELECT id, ${hostId}, ${state}, ${reason}, ${bytesDone}, ${bytes}, ${sha256}
    FROM ostler.disk_image WHERE id = ${imageId}
    ON CONFLICT (disk_image_id, host_id) DO UPDATE SET state = excluded.state, reason = excluded.reason,
      bytes_done = excluded.bytes_done, bytes = excluded.bytes,
      sha256 = coalesce(excluded.sha256, image_copy.sha256), updated_at = now()`.execute(db)
}

/** The names of files that some node is still to bring. */
export async function filesToBring(db: Db): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ path: string }>`
    SELECT path FROM ostler.disk_image WHERE path NOT LIKE '/%' AND NOT EXISTS (
      SELECT FROM ostler.image_copy WHERE disk_image_id = disk_image.id AND state = 'ready')`.execute(db)
  return new Set(rows.map(({ path }) => path))
}

/** How the images stand, for lists: on each node that has said something. */
export const imageStandings = sql<string>`coalesce(
  (SELECT string_agg(host.name || ': ' || copy.state ||
      CASE WHEN copy.state = 'copying' AND copy.bytes > 0
        THEN ' ' || (copy.bytes_done * 100 / copy.bytes) || ' %' ELSE '' END ||
      coalesce(' (' || copy.reason || ')', ''), '; ' ORDER BY host.name)
    FROM ostler.image_copy AS copy JOIN ostler.host ON host.id = copy.host_id
    WHERE copy.disk_image_id = disk_image.id),
  CASE WHEN disk_image.path LIKE '/%' THEN 'in place' ELSE 'new' END)`
