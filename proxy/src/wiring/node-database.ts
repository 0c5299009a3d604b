import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { type Cluster, type ClusterSettings, privateCluster, SUPERUSER } from '../hkd/cluster.ts'
import { stepMajorVersion } from '../hkd/major-version.ts'
import type { CgroupLayout } from '../hypervisor/lxc/cgroup.ts'
import { bootstrapDatabase, ROLES } from '../store/bootstrap.ts'
import { migrate } from '../store/migrate.ts'
import { type DatabaseAddress, type Db, openDatabase } from '../store/open.ts'
import type { NodeValues } from './node-config.ts'
import { databaseAddress, nodeKeyFile, requireAccount } from './node-parts.ts'
import { isRemote, prepareRemote } from './remote-database.ts'

/** Where it is set, PostgreSQL is a service of its own, which the service manager starts and keeps. */
const APART = 'OSTLER_POSTGRES_APART'

/**
 * Starts the node's PostgreSQL if it has one, it does not run and nobody else keeps it, brings the schema up to date, and
 * opens it as hkd.
 */
export async function openNodeDatabase(
  config: NodeValues,
  cgroups: CgroupLayout,
  log: Log,
  scope: Scope,
): Promise<{ db: Db; address: DatabaseAddress }> {
  if (isRemote(config)) {
    const [door, api] = [requireAccount(config['l7r.as_user']), requireAccount(config['api.as_user'])]
    await prepareRemote(config, { door, api }, log)
  } else {
    if (process.env[APART] === undefined) scope.own((await startCluster(config, cgroups, log)).supervise(log))
    await bootstrapDatabase(databaseAddress(config, SUPERUSER, SUPERUSER), config['database.name'])
  }
  const address = databaseAddress(config, ROLES.hkd)
  const db = openDatabase(address, log)
  scope.defer(() => db.destroy())
  const applied = await migrate(db)
  if (applied.length > 0) log.info('database migrated', { applied })
  return { db, address }
}

/**
 * Starts the node's PostgreSQL if it does not run, of the newest version that is installed. It stays in the control group of
 * whoever calls this, for a service manager that follows it by its pid file.
 * @throws Fault `database.*`, `node.missingProgram`, `node.missingUser`.
 */
export async function startPostgres(config: NodeValues, log: Log): Promise<void> {
  await startCluster(config, undefined, log)
  log.info('postgresql runs')
}

async function startCluster(
  config: NodeValues,
  cgroups: CgroupLayout | undefined,
  log: Log,
): Promise<Cluster> {
  // A node with the old version is better than none.
  await stepMajorVersion({
    cluster: clusterSettings(config, cgroups),
    database: config['database.name'],
    sockets: join(config['path.run'], 'postgres-step'),
    log,
  }).catch((error: unknown) => log.error('the older PostgreSQL stays in use', { error }))
  const cluster = nodeCluster(config, cgroups)
  await cluster.ensure()
  return cluster
}

/**
 * The private PostgreSQL of a node.
 * @param apart what is different of one that is not the node's own yet.
 */
export function nodeCluster(
  config: NodeValues,
  cgroups: CgroupLayout | undefined,
  apart: Partial<Pick<ClusterSettings, 'data' | 'keyFile' | 'sockets'>> = {},
): Cluster {
  return privateCluster({ ...clusterSettings(config, cgroups), ...apart })
}

function clusterSettings(config: NodeValues, cgroups: CgroupLayout | undefined): ClusterSettings {
  const door = requireAccount(config['l7r.as_user'])
  const api = requireAccount(config['api.as_user'])
  const owner = requireAccount(config['database.as_user'])
  const run = config['path.run']
  return {
    data: config['path.database'],
    programs: config['path.postgresql'],
    keyFile: nodeKeyFile(config),
    sockets: [
      { path: join(run, 'postgres'), gid: door.gid },
      { path: join(run, 'postgres-api'), gid: api.gid },
    ],
    logFile: join(config['path.log'], 'postgresql.log'),
    account: owner,
    cgroups,
    peers: [
      { osUser: 'root', role: SUPERUSER },
      { osUser: 'root', role: ROLES.hkd },
      // Whose the data is may read them all: its programs make and restore backups.
      { osUser: owner.name, role: SUPERUSER },
      { osUser: door.name, role: ROLES.l7r },
      { osUser: api.name, role: ROLES.api },
    ],
    connections: connectionsFor(config['l7r.workers'] || availableParallelism()),
  }
}

const LEAST_CONNECTIONS = 100
/** hkd, api, backups, administrators. */
const OTHERS = 40
/** A worker's pool and its hints; twice, for old ones live on beside new ones. */
const PER_WORKER = 2 * 9

function connectionsFor(workers: number): number {
  return Math.max(LEAST_CONNECTIONS, OTHERS + PER_WORKER * workers)
}
