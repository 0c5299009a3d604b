import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { join } from 'node:path'
import { type Cluster, privateCluster, SUPERUSER } from '../hkd/cluster.ts'
import type { CgroupLayout } from '../hypervisor/lxc/cgroup.ts'
import { bootstrapDatabase, ROLES } from '../store/bootstrap.ts'
import { migrate } from '../store/migrate.ts'
import { type DatabaseAddress, type Db, openDatabase } from '../store/open.ts'
import type { NodeValues } from './node-config.ts'
import { databaseAddress, requireAccount } from './node-parts.ts'

/** Starts the node's PostgreSQL if it does not run, brings the schema up to date, and opens it as hkd. */
export async function openNodeDatabase(
  config: NodeValues,
  cgroups: CgroupLayout,
  log: Log,
  scope: Scope,
): Promise<{ db: Db; address: DatabaseAddress }> {
  const cluster = nodeCluster(config, cgroups)
  await cluster.ensure()
  scope.own(cluster.supervise(log))
  await bootstrapDatabase(databaseAddress(config, SUPERUSER, SUPERUSER), config['database.name'])
  const address = databaseAddress(config, ROLES.hkd)
  const db = openDatabase(address, log)
  scope.defer(() => db.destroy())
  const applied = await migrate(db)
  if (applied.length > 0) log.info('database migrated', { applied })
  return { db, address }
}

/** The private PostgreSQL of a node. */
export function nodeCluster(config: NodeValues, cgroups: CgroupLayout): Cluster {
  const door = requireAccount(config['l7r.as_user'])
  return privateCluster({
    data: config['path.database'],
    sockets: join(config['path.run'], 'postgres'),
    logFile: join(config['path.log'], 'postgresql.log'),
    account: requireAccount(config['database.as_user']),
    clientGid: door.gid,
    cgroups,
    peers: [
      { osUser: 'root', role: SUPERUSER },
      { osUser: 'root', role: ROLES.hkd },
      { osUser: door.name, role: ROLES.l7r },
      { osUser: door.name, role: ROLES.api },
    ],
  })
}
