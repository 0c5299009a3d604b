import type { CaptureState } from '@ostler/contract/pools.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import type { Db } from './open.ts'

/** A copy of a desktop's system into a new image, as it was asked for. */
export interface CaptureOrder {
  readonly id: number
  readonly vmId: number
  readonly flavourId: number
  readonly version: string | null
  readonly tag: string | null
}

/**
 * Asks hkd to make an image of what a desktop has become; hints at it.
 * @returns the order's number.
 * @throws Fault `capture.failed` for a desktop whose flavour keeps nothing.
 */
export async function askForCapture(db: Db, order: Omit<CaptureOrder, 'id'>, by: string): Promise<number> {
  const kept = await db
    .selectFrom('vm')
    .innerJoin('flavour', 'flavour.id', 'vm.flavour_id')
    .select('overlay')
    .where('vm.id', '=', order.vmId)
    .executeTakeFirst()
  if (kept?.overlay === 'snapshot')
    throw new Fault('capture.failed', { reason: 'its flavour has overlay=snapshot, so it keeps nothing' })
  const { rows } = await sql<{ id: number }>`
    WITH asked AS (
      INSERT INTO ostler.capture (vm_id, flavour_id, version, tag, by)
      VALUES (${order.vmId}, ${order.flavourId}, ${order.version}, ${order.tag}, ${by}) RETURNING id, vm_id)
    SELECT id, pg_notify('ostler_vm', vm_id::text) FROM asked`.execute(db)
  return rows[0]?.id ?? 0
}

/** How an order stands. @throws Fault `object.unknown`. */
export async function findCapture(db: Db, id: number): Promise<CaptureState> {
  const row = await db
    .selectFrom('capture')
    .leftJoin('disk_image', 'disk_image.id', 'capture.image_id')
    .select(['stage', 'ended_at', 'capture.fault', 'disk_image.name as image', 'disk_image.version'])
    .where('capture.id', '=', id)
    .executeTakeFirst()
  if (row === undefined) throw new Fault('object.unknown', { kind: 'capture', name: String(id) })
  const { ended_at, ...state } = row
  return { ...state, ended: ended_at !== null }
}

/** Desktops of which a copy is asked for and not made. */
export async function desktopsToCapture(db: Db): Promise<number[]> {
  const rows = await db.selectFrom('capture').select('vm_id').where('ended_at', 'is', null).execute()
  return [...new Set(rows.map((row) => row.vm_id))]
}

/**
 * Takes the oldest open order of a desktop for a node, unless another node has it. What this node had begun is begun again.
 * @returns `elsewhere` while another node copies: the desktop must not start.
 */
export async function takeCapture(
  db: Db,
  vmId: number,
  hostId: number,
): Promise<CaptureOrder | 'elsewhere' | undefined> {
  const { rows } = await sql<CaptureOrder & { hostId: number }>`
    WITH next AS (
      SELECT id FROM ostler.capture WHERE vm_id = ${vmId} AND ended_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE)
    UPDATE ostler.capture SET host_id = coalesce(host_id, ${hostId}), stage = 'copying'
    FROM next WHERE capture.id = next.id
    RETURNING capture.id, vm_id AS "vmId", flavour_id AS "flavourId", version, tag, host_id AS "hostId"`.execute(
    db,
  )
  const [row] = rows
  if (row === undefined) return undefined
  return row.hostId === hostId ? row : 'elsewhere'
}

/** Writes down what came of an order: its image, or why there is none. */
export async function endCapture(
  db: Db,
  id: number,
  came: { imageId: number } | { fault: string },
): Promise<void> {
  const what =
    'fault' in came ? { fault: came.fault, stage: 'failed' } : { image_id: came.imageId, stage: 'done' }
  await db
    .updateTable('capture')
    .set({ ...what, ended_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .execute()
}
