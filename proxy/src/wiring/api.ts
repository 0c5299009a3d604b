import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { adminRoutes } from '../api/routes.ts'
import { serveOnSocket } from '../api/server.ts'
import { ROLES } from '../store/bootstrap.ts'
import { openDatabase } from '../store/open.ts'
import type { NodeValues } from './node-config.ts'
import { addressPool, apiSocket, databaseAddress } from './node-parts.ts'

/** Starts the administration api. */
export async function startApi(config: NodeValues, log: Log, scope: Scope): Promise<void> {
  const db = openDatabase(databaseAddress(config, ROLES.api), log)
  scope.defer(() => db.destroy())
  scope.own(await serveOnSocket(adminRoutes(db, addressPool(config), log), apiSocket(config)))
  log.info('api ready', { socket: apiSocket(config) })
}
