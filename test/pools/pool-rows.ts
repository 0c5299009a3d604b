import { addImage } from '@ostler/proxy/store/images.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addPool, type PoolSettings } from '@ostler/proxy/store/pool-admin.ts'
import { addTestFlavour } from '../fixtures/database-rows.ts'

export const ADDRESSES = { start: '10.9.0.10', subnet: { gateway: '10.9.0.1', prefix: 16 } }
let count = 0

/** Adds a pool for everyone, with an image; returns its number and its desktops'. */
export async function addTestPool(
  db: Db,
  said: Partial<PoolSettings> = {},
): Promise<{ id: number; name: string; desktops: number[] }> {
  const flavourId = await addTestFlavour(db)
  const name = `pool${++count}`
  await addImage(db, { flavourId, name, kind: 'tarball', path: `/srv/${name}.tar` }, {})
  const settings: PoolSettings = {
    tag: 'default',
    assign: 'floating',
    size: 3,
    spare: 0,
    most: undefined,
    stopMinutes: null,
    everyone: true,
    logins: [],
    groups: [],
    ...said,
  }
  const tenant = await db.selectFrom('tenant').select('id').where('id', '>', 0).executeTakeFirstOrThrow()
  const id = await addPool(db, { name, tenantId: tenant.id, flavourId, ...settings }, ADDRESSES)
  const rows = await db.selectFrom('vm').select('id').where('pool_id', '=', id).orderBy('id').execute()
  return { id, name, desktops: rows.map((row) => row.id) }
}
