import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { adminRoutes } from '../api/routes.ts'
import { serveOnSocket } from '../api/server.ts'
import type { DoorPlace } from '../api/tunnel-offer.ts'
import { ROLES } from '../store/bootstrap.ts'
import { openDatabase } from '../store/open.ts'
import { nodeConfigSource, type NodeValues } from './node-config.ts'
import { addressPool, apiDatabaseAddress, apiSocket, certificateShown } from './node-parts.ts'

/** Starts the administration api. */
export async function startApi(
  config: NodeValues,
  log: Log,
  scope: Scope,
  configFile: string,
): Promise<void> {
  const db = openDatabase(apiDatabaseAddress(config, ROLES.api), log)
  scope.defer(() => db.destroy())
  const configuration = nodeConfigSource(configFile)
  const pool = addressPool(config)
  const door = (): DoorPlace => doorPlace(config)
  const certificateFile = config['path.l7r.ssl.cert']
  const homes = { folder: config['path.storage.homefs'], trashDays: config['storage.trash.days'] }
  const staging = config['path.storage.staging']
  const places = { certificateFile, homes, staging }
  const routes = adminRoutes({ db, pool, configuration, door, ...places, log })
  scope.own(await serveOnSocket(routes, apiSocket(config)))
  log.info('api ready', { socket: apiSocket(config) })
}

/** Where this node's door is for programs on the node itself. The certificate may have been exchanged meanwhile. */
function doorPlace(config: NodeValues): DoorPlace {
  const address = config['l7r.address']
  const host = address === '*' || address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address
  const certificate = config['l7r.use_ssl'] ? certificateShown(config) : null
  return { host, port: config['l7r.port'], certificate }
}
