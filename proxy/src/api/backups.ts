import { BACKUPS_PATH } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import * as z from 'zod'
import { askForBackup, findBackup, listBackups } from '../store/backups.ts'
import { backupRow } from './answers.ts'
import { added, listRoute, type Route, route } from './route.ts'

/** Asks for backups of the database and tells how they went. hkd makes them. */
export function backupRoutes(): Route[] {
  return [
    listRoute({
      path: BACKUPS_PATH,
      summary: 'The newest backups.',
      needs: 'backup.see',
      reach: 'all',
      row: backupRow,
      hints: ['ostler_backup', 'ostler_admin'],
      rows: (db) => listBackups(db),
    }),
    route({
      method: 'post',
      path: BACKUPS_PATH,
      summary: 'Asks for a backup.',
      needs: 'backup.change',
      answer: added,
      status: 201,
      run: async ({ db, caller }) => ({ id: await askForBackup(db, caller.name) }),
    }),
    route({
      method: 'get',
      path: `${BACKUPS_PATH}/:number`,
      summary: 'How a backup stands.',
      needs: 'backup.see',
      answer: z.strictObject({
        ended: z.boolean(),
        file: z.string().nullable(),
        fault: z.string().nullable(),
      }),
      hints: ['ostler_admin'],
      run: async ({ db, part }) => {
        const text = part('number')
        if (!/^\d{1,9}$/.test(text)) throw new Fault('request.invalid', { problem: 'a backup has a number' })
        return await findBackup(db, Number(text))
      },
    }),
  ]
}
