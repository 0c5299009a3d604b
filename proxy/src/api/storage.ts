import { Fault } from '@ostler/contract/fault.ts'
import { purgeBody, STORAGE_LOOKS_PATH, STORAGE_PURGES_PATH } from '@ostler/contract/storage-api.ts'
import type { Context, Hono } from 'hono'
import type { Db } from '../store/open.ts'
import { askForLooks, askForPurge, readLooks, readPurges } from '../store/storage-looks.ts'
import { body } from './body.ts'

/** Asks the nodes to look through their storage, and to remove what was listed. hkd does it. */
export function addStorageRoutes(app: Hono, db: Db): void {
  app.post(STORAGE_LOOKS_PATH, async (context) =>
    context.json({ ids: await askForLooks(db, 'administrator') }, 201),
  )
  app.get(STORAGE_LOOKS_PATH, async (context) => context.json(await readLooks(db, idsOf(context))))
  app.post(STORAGE_PURGES_PATH, async (context) => {
    const { ids } = await body(context, purgeBody)
    await askForPurge(db, ids)
    return context.json({}, 201)
  })
  app.get(STORAGE_PURGES_PATH, async (context) => context.json(await readPurges(db, idsOf(context))))
}

function idsOf(context: Context): number[] {
  const words = context.req.queries('id') ?? []
  if (!words.every((word) => /^\d{1,9}$/.test(word)))
    throw new Fault('request.invalid', { problem: 'id must be a number' })
  return words.map(Number)
}
