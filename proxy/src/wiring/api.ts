import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { findGroup } from '@ostler/kit/group.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AdminParts, adminRoutes } from '../api/routes.ts'
import { serveOnSocket, serveOverTls } from '../api/server.ts'
import { Streams } from '../api/streams.ts'
import type { DoorPlace } from '../api/tunnel-offer.ts'
import { requireCertificate } from '../l7r/certificate.ts'
import type { AddressPool } from '../store/addresses.ts'
import { ROLES } from '../store/bootstrap.ts'
import { listenForHints } from '../store/hints.ts'
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
    uploads: inFile['path.uploads'],
    homes: {
      folder: inFile['path.storage.homefs'],
      get trashDays() {
        return live.values['storage.trash.days']
      },
    },
  }
  const streams = new Streams(log)
  const parts = { db, pool, configuration, door, ...places, streams, log }
  const address = apiDatabaseAddress(inFile, ROLES.api)
  scope.own(listenForHints(address, API_HINTS, (channel) => streams.hint(channel), log))
  scope.own(await serveOnSocket(adminRoutes(parts, 'socket'), apiSocket(inFile), groupOfSocket(inFile)))
  if (inFile['api.address'] !== '') await serveNetwork(inFile, parts, scope)
  log.info('api ready', { socket: apiSocket(inFile) })
}

/** After which those who watch something are told. */
const API_HINTS = [
  ...(['ostler_vm', 'ostler_seat', 'ostler_host', 'ostler_config', 'ostler_backup', 'ostler_home'] as const),
  ...(['ostler_storage', 'ostler_notice', 'ostler_job', 'ostler_admin'] as const),
]

/** The group that may open the socket; `undefined`: there is none, or we are not in it. */
function groupOfSocket(config: NodeValues): number | undefined {
  const group = findGroup(config['api.admin_group'])
  const isOurs = group !== undefined && (process.getuid?.() === 0 || process.getgroups?.().includes(group))
  return isOurs === true ? group : undefined
}

async function serveNetwork(config: NodeValues, parts: AdminParts, scope: Scope): Promise<void> {
  const { log } = parts
  const files = { key: config['path.api.ssl.key'], cert: config['path.api.ssl.cert'] }
  await requireCertificate(files, log)
  const identity = { key: readFileSync(files.key, 'utf8'), cert: readFileSync(files.cert, 'utf8') }
  const host = config['api.address'] === '*' ? '::' : config['api.address']
  const routes = adminRoutes(parts, 'network', { pages: join(config['path.web'], 'admin') })
  const { port } = scope.own(await serveOverTls(routes, { host, port: config['api.port'] }, identity))
  log.info('api over TLS ready', { host, port })
}

/** Where this node's door is for programs on the node itself. The certificate may have been exchanged meanwhile. */
function doorPlace(config: NodeValues): DoorPlace {
  const address = config['l7r.address']
  const host = address === '*' || address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address
  const certificate = config['l7r.use_ssl'] ? certificateShown(config) : null
  return { host, port: config['l7r.port'], certificate }
}
