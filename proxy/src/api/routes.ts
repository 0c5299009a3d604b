import { NOTICES_PATH } from '@ostler/contract/admin-api.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Hono } from 'hono'
import type { AddressPool } from '../store/addresses.ts'
import { listNotices } from '../store/notices.ts'
import type { Db } from '../store/open.ts'
import { administratorRoutes } from './administrators.ts'
import { noticeRow } from './answers.ts'
import { backupRoutes } from './backups.ts'
import { sessionRoutes } from './browser-session.ts'
import { bulkRoutes } from './bulk.ts'
import { captureRoutes } from './captures.ts'
import type { ConfigurationSource } from './configuration.ts'
import { configurationRoutes } from './configuration-routes.ts'
import { counterRoutes } from './counters.ts'
import { desktopRoutes } from './desktops.ts'
import { doctorRoutes } from './doctor.ts'
import { userFinder } from './finding.ts'
import { groupRoutes } from './groups.ts'
import { GuessLimit } from './guess-limit.ts'
import { type HomeSettings, homeRoutes, removalRoutes } from './homes.ts'
import { imageRoutes } from './images.ts'
import { jobRoutes } from './jobs.ts'
import { maintenanceRoutes } from './maintenance.ts'
import { type ApiDoor, mount } from './mount.ts'
import { changeRoutes } from './object-changes.ts'
import { objectRoutes } from './objects.ts'
import { openApiRoute } from './openapi.ts'
import { overviewRoute } from './overview.ts'
import { ownerRoutes } from './owners.ts'
import { servePages } from './pages.ts'
import { poolRoutes } from './pools.ts'
import { takeOverRoutes } from './take-over.ts'
import { rollOutRoutes } from './roll-outs.ts'
import { listRoute, type Route } from './route.ts'
import { sloRoutes } from './slo.ts'
import { sslRoutes } from './ssl.ts'
import { storageRoutes } from './storage.ts'
import type { Streams } from './streams.ts'
import type { DoorPlace } from './tunnel-offer.ts'
import { uploadRoutes } from './uploads.ts'

export interface AdminParts {
  readonly db: Db
  /** Where desktops get their addresses. */
  readonly pool: AddressPool
  readonly configuration: ConfigurationSource
  /** The door of this node, as it is now. */
  readonly door: () => DoorPlace
  /** The certificate that this node's doors have of their own. */
  readonly certificateFile: string
  readonly homes: HomeSettings
  /** `path.storage.staging` */
  readonly staging: string
  /** `path.uploads` */
  readonly uploads: string
  readonly streams: Streams
  readonly log: Log
}

/** The table of everything that administrators can ask for, in the order in which paths are tried. */
export function adminRouteTable(parts: AdminParts): readonly Route[] {
  const { pool, configuration, door, certificateFile, staging, uploads, homes, log } = parts
  const users = userFinder(configuration)
  const routes = [
    ...bulkRoutes(homes),
    ...objectRoutes(pool, users),
    ...changeRoutes(users),
    ...desktopRoutes(door, log),
    ...doctorRoutes(door),
    ...counterRoutes(),
    ...sloRoutes(),
    ...imageRoutes(staging),
    ...uploadRoutes(uploads),
    ...homeRoutes(homes, users),
    ...removalRoutes(homes, users),
    ...groupRoutes(users),
    ...ownerRoutes(),
    ...poolRoutes(pool),
    ...jobRoutes(),
    ...rollOutRoutes(),
    ...backupRoutes(),
    ...storageRoutes(),
    ...captureRoutes(),
    ...maintenanceRoutes(users),
    listRoute({
      path: NOTICES_PATH,
      summary: 'What administrators were told, newest first.',
      needs: 'notice.see',
      reach: 'all',
      row: noticeRow,
      hints: ['ostler_notice', 'ostler_admin'],
      rows: (db) => listNotices(db),
    }),
    ...configurationRoutes(configuration),
    ...takeOverRoutes(pool, configuration),
    ...sslRoutes({ certificate: () => door().certificate, file: certificateFile }, log),
    ...administratorRoutes(),
    ...sessionRoutes(),
    overviewRoute(),
  ]
  return [...routes, openApiRoute(routes)]
}

/**
 * The administrator's REST interface.
 * @param reached `socket`: whoever can open it is the administrator; `network`: everybody needs a token.
 * @param more `pages`: the folder of the administrators' pages, where they are served, too.
 */
export function adminRoutes(
  parts: AdminParts,
  reached: ApiDoor,
  { checkAnswers = false, pages }: { readonly checkAnswers?: boolean; readonly pages?: string } = {},
): Hono {
  const { db, streams, log, door } = parts
  const app = mount(adminRouteTable(parts), {
    ...{ db, streams, log, checkAnswers },
    door: reached,
    limit: new GuessLimit(),
  })
  if (pages !== undefined) servePages(app, pages, () => door().port)
  return app
}
