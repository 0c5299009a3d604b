import { silentLog } from '@ostler/kit/log.ts'
import { ROLES } from '../store/bootstrap.ts'
import { openDatabase } from '../store/open.ts'
import { readPlacement } from '../store/placement-snapshot.ts'
import type { NodeValues } from './node-config.ts'
import { databaseAddress } from './node-parts.ts'

/** Where all desktops are now, as JSON in one line. @throws Error of the driver when the database cannot be asked. */
export async function placementNow(config: NodeValues): Promise<string> {
  const db = openDatabase(databaseAddress(config, ROLES.hkd), silentLog)
  try {
    return JSON.stringify(await readPlacement(db))
  } finally {
    await db.destroy()
  }
}
