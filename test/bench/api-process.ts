import { silentLog } from '@ostler/kit/log.ts'
import { adminRoutes } from '@ostler/proxy/api/routes.ts'
import { serveOnSocket } from '@ostler/proxy/api/server.ts'
import { type DatabaseAddress, openDatabase } from '@ostler/proxy/store/open.ts'
import { adminParts } from '../fixtures/admin-api.ts'
import type { TestDatabase } from '../fixtures/database.ts'

/** The api alone, in a process of its own: on the socket of its first argument, with the database of its second. */
const [, , socket = '', address = ''] = process.argv
const db = openDatabase(JSON.parse(address) as DatabaseAddress, silentLog)
const parts = adminParts({ as: () => db } as unknown as TestDatabase)
serveOnSocket(adminRoutes(parts, 'socket'), socket, undefined).then(
  () => process.send?.('ready'),
  (error: unknown) => {
    console.error(error)
    process.exit(1)
  },
)
process.once('disconnect', () => process.exit(0))
