import { BACKUPS_PATH } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Hono } from 'hono'
import { askForBackup, findBackup, listBackups } from '../store/backups.ts'
import type { Db } from '../store/open.ts'

/** Asks for backups of the database and tells how they went. hkd makes them. */
export function addBackupRoutes(app: Hono, db: Db): void {
  app.get(BACKUPS_PATH, async (context) => context.json(await listBackups(db)))
  app.post(BACKUPS_PATH, async (context) =>
    context.json({ id: await askForBackup(db, 'administrator') }, 201),
  )
  app.get(`${BACKUPS_PATH}/:number`, async (context) => {
    const text = context.req.param('number')
    if (!/^\d{1,9}$/.test(text)) throw new Fault('request.invalid', { problem: 'a backup has a number' })
    return context.json(await findBackup(db, Number(text)))
  })
}
