import { MAINTAINED, type Maintained, maintenanceBody } from '@ostler/contract/pools.ts'
import * as z from 'zod'
import { desktopByName, flavourByName } from '../store/admin.ts'
import { hostByName, setMaintenance } from '../store/maintenance.ts'
import type { Db } from '../store/open.ts'
import { poolByName } from '../store/pool-admin.ts'
import type { UserFinder } from './finding.ts'
import { type Route, route } from './route.ts'

/** Begins and ends maintenance. */
export function maintenanceRoutes(users: UserFinder): Route[] {
  type Find = (db: Db, name: string, tenant: string | undefined) => Promise<number>
  const find: Readonly<Record<Maintained, Find>> = {
    vm: desktopByName,
    user: (db, login, tenant) => users.find(db, tenant, login),
    osf: flavourByName,
    host: hostByName,
    pool: async (db, name) => (await poolByName(db, name)).id,
  }
  return MAINTAINED.map((kind) =>
    route({
      method: 'post',
      path: `/v1/maintenance/${kind}/:name`,
      summary: 'Begins maintenance with a sentence that users read; without one it ends.',
      needs: 'maintenance.change',
      reach: kind === 'host' ? 'all' : 'tenant',
      about: [{ kind, in: 'path', key: 'name' }],
      body: maintenanceBody,
      answer: z.strictObject({ stopping: z.int() }),
      run: async ({ db, part, body: { tenant, said, stop } }) => ({
        stopping: await setMaintenance(db, kind, await find[kind](db, part('name'), tenant), said, stop),
      }),
    }),
  )
}
