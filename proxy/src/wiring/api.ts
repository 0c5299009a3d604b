import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { adminRoutes } from '../api/routes.ts'
import { serveOnSocket } from '../api/server.ts'
import type { DoorPlace } from '../api/tunnel-offer.ts'
import type { AddressPool } from '../store/addresses.ts'
import { ROLES } from '../store/bootstrap.ts'
import { openDatabase } from '../store/open.ts'
import { LiveConfig } from './live-config.ts'
import { nodeConfigSource, type NodeValues } from './node-config.ts'
import { addressPool, apiDatabaseAddress, apiSocket, certificateShown } from './node-parts.ts'

/** Starts the administration api. */
export async function startApi(
  inFile: NodeValues,
  log: Log,
  scope: Scope,
  configFile: string,
): Promise<void> {
  const db = openDatabase(apiDatabaseAddress(inFile, ROLES.api), log)
  scope.defer(() => db.destroy())
  const live = new LiveConfig(db, configFile, log)
  // The database may come later than the api.
  scope.own(live.keepUp())
  const configuration = nodeConfigSource(configFile)
  const pool: AddressPool = {
    get start() {
      return addressPool(live.values).start
    },
    get subnet() {
      return addressPool(live.values).subnet
    },
  }
  const door = (): DoorPlace => doorPlace(live.values)
  const places = {
    certificateFile: inFile['path.l7r.ssl.cert'],
    staging: inFile['path.storage.staging'],
    homes: {
      folder: inFile['path.storage.homefs'],
      get trashDays() {
        return live.values['storage.trash.days']
      },
    },
  }
  const routes = adminRoutes({ db, pool, configuration, door, ...places, log })
  scope.own(await serveOnSocket(routes, apiSocket(inFile)))
  log.info('api ready', { socket: apiSocket(inFile) })
}

/** Where this node's door is for programs on the node itself. The certificate may have been exchanged meanwhile. */
function doorPlace(config: NodeValues): DoorPlace {
  const address = config['l7r.address']
  const host = address === '*' || address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address
  const certificate = config['l7r.use_ssl'] ? certificateShown(config) : null
  return { host, port: config['l7r.port'], certificate }
}
