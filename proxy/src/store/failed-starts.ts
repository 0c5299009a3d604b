import type { KeptFailure } from '@ostler/contract/storage-api.ts'
import type { Db } from './open.ts'

/** Writes down what was kept of a start that failed. Only the newest are kept on the disk. */
export async function addFailedStart(
  db: Db,
  hostId: number,
  start: { vmId: number; epoch: number; folder: string; bytes: number; fault: string },
  kept: number,
): Promise<void> {
  const { vmId: vm_id, ...row } = start
  await db
    .insertInto('failed_start')
    .values({ ...row, vm_id, host_id: hostId })
    .onConflict((conflict) => conflict.columns(['vm_id', 'epoch']).doNothing())
    .execute()
  const newest = db
    .selectFrom('failed_start')
    .select('id')
    .where('vm_id', '=', vm_id)
    .where('host_id', '=', hostId)
    .orderBy('epoch', 'desc')
    .limit(kept)
  await db
    .deleteFrom('failed_start')
    .where('vm_id', '=', vm_id)
    .where('host_id', '=', hostId)
    .where('id', 'not in', newest)
    .execute()
}

/** What is kept of a desktop's failed starts, newest first. */
export async function readFailedStarts(db: Db, vmId: number): Promise<KeptFailure[]> {
  const rows = await db
    .selectFrom('failed_start')
    .innerJoin('host', 'host.id', 'host_id')
    .select(['at', 'host.name as host', 'folder', 'bytes', 'fault'])
    .where('vm_id', '=', vmId)
    .orderBy('failed_start.epoch', 'desc')
    .execute()
  return rows.map(({ at, bytes, ...row }) => ({ ...row, at: at.toISOString(), bytes: Number(bytes) }))
}

/** What this node has kept of failed starts whose desktops were removed. */
export async function leftFailedStarts(db: Db, hostId: number): Promise<{ id: number; folder: string }[]> {
  return await db
    .selectFrom('failed_start')
    .select(['id', 'folder'])
    .where('host_id', '=', hostId)
    .where('vm_id', 'is', null)
    .orderBy('id')
    .execute()
}

export async function forgetFailedStart(db: Db, id: number): Promise<void> {
  await db.deleteFrom('failed_start').where('id', '=', id).execute()
}
