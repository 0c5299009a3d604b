import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { adminRoutes } from '../api/routes.ts'
import { serveOnSocket } from '../api/server.ts'
import { ROLES } from '../store/bootstrap.ts'
import { openDatabase } from '../store/open.ts'
import { nodeConfigSource, type NodeValues } from './node-config.ts'
import { addressPool, apiSocket, databaseAddress } from './node-parts.ts'

/** Starts the administration api. */
export async function startApi(
  config: NodeValues,
  log: Log,
  scope: Scope,
  configFile: string,
): Promise<void> {
  const db = openDatabase(databaseAddress(config, ROLES.api), log)
  scope.defer(() => db.destroy())
  const configuration = nodeConfigSource(configFile)
  const pool = addressPool(config)
  scope.own(await serveOnSocket(adminRoutes({ db, pool, configuration, log }), apiSocket(config)))
  log.info('api ready', { socket: apiSocket(config) })
}
