import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { takePidFile } from '@ostler/kit/pid-file.ts'
import { Scope } from '@ostler/kit/scope.ts'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { SUPERUSER } from '../hkd/cluster.ts'
import { loadDump } from '../hkd/database-dump.ts'
import { opensAuthority } from '../hkd/trust.ts'
import type { CgroupLayout } from '../hypervisor/lxc/cgroup.ts'
import { forgetAuthority } from '../store/authority.ts'
import { bootstrapDatabase, ROLES } from '../store/bootstrap.ts'
import { migrate } from '../store/migrate.ts'
import { type DatabaseAddress, openDatabase } from '../store/open.ts'
import { nodeCluster } from './node-database.ts'
import type { NodeValues } from './node-config.ts'
import { hkdPidFile, nodeKeyFile, requireAccount } from './node-parts.ts'
import { preflight } from './preflight.ts'
import { isRemote } from './remote-database.ts'

/** What to restore. */
export interface RestoreOrder {
  readonly file: string
  /** Makes a new certificate authority when the node key of the backup is lost. */
  readonly newAuthority: boolean
}

/**
 * Restores a backup onto a node without a database. It is made whole beside the place where it belongs, brought up to this
 * version, and put there at the end: whatever fails before, nothing has changed.
 *
 * @throws Fault `restore.*`, `node.running`, `database.*`.
 */
export async function restoreNode(config: NodeValues, order: RestoreOrder, log: Log): Promise<void> {
  if (isRemote(config)) throw new Fault('backup.elsewhere', { host: config['database.host'] })
  const cgroups = preflight('ostler-hkd')
  const data = config['path.database']
  await using scope = new Scope()
  mkdirSync(config['path.run'], { recursive: true, mode: 0o755 })
  const pidFile = takePidFile(hkdPidFile(config))
  if ('holder' in pidFile) throw new Fault('node.running', { program: 'ostler-hkd', pid: pidFile.holder.pid })
  scope.own(pidFile.taken)
  if (existsSync(data) && readdirSync(data).length > 0) throw new Fault('restore.notEmpty', { folder: data })
  const draft = await restoreBeside(config, cgroups, order, log)
  if (existsSync(data)) rmdirSync(data)
  renameSync(draft, data)
  log.info('backup restored', { file: order.file, folder: data })
}

/** @returns the folder of a cluster that holds the backup and does not run. */
async function restoreBeside(
  config: NodeValues,
  cgroups: CgroupLayout,
  order: RestoreOrder,
  log: Log,
): Promise<string> {
  const data = `${config['path.database']}.restoring`
  const account = requireAccount(config['database.as_user'])
  // Doors that run meanwhile must not meet a half of it.
  const sockets = join(config['path.run'], 'restore')
  const cluster = nodeCluster(config, cgroups, {
    data,
    keyFile: undefined,
    sockets: [{ path: sockets, gid: account.gid }],
  })
  await cluster.stop()
  rmSync(data, { recursive: true, force: true })
  const address = (user: string, database = config['database.name']): DatabaseAddress => ({
    host: sockets,
    port: 5432,
    database,
    user,
  })
  const copy = `${data}.dump`
  try {
    takeCopy(order.file, copy, account)
    await cluster.ensure()
    await bootstrapDatabase(address(SUPERUSER, SUPERUSER), config['database.name'])
    await loadDump(copy, {
      ...{ superuser: address(SUPERUSER), data, account },
      programs: config['path.postgresql'],
    }).catch((error: unknown) => {
      throw unusable(order.file, error)
    })
    await bringUp(config, address(ROLES.hkd), order, log)
    await cluster.stop()
    return data
  } catch (error) {
    await cluster.stop()
    rmSync(data, { recursive: true, force: true })
    throw error
  } finally {
    rmSync(copy, { force: true })
    rmSync(sockets, { recursive: true, force: true })
  }
}

/** The programs that read it run as the user of the cluster, and the backup is root's. */
function takeCopy(file: string, copy: string, account: Account): void {
  mkdirSync(dirname(copy), { recursive: true, mode: 0o755 })
  try {
    copyFileSync(file, copy)
  } catch (error) {
    throw unusable(file, error)
  }
  chmodSync(copy, 0o600)
  chownSync(copy, account.uid, account.gid)
}

function unusable(file: string, cause: unknown): Fault {
  const reason = cause instanceof Fault ? String(cause.detail['reason'] ?? cause.message) : String(cause)
  return new Fault('restore.unusable', { file, reason }, { cause })
}

/** Brings the tables up to this version, and sees to it that the node can open what is sealed in them. */
async function bringUp(
  config: NodeValues,
  address: DatabaseAddress,
  { newAuthority }: RestoreOrder,
  log: Log,
): Promise<void> {
  const db = openDatabase(address, log)
  try {
    const applied = await migrate(db)
    if (applied.length > 0) log.info('database migrated', { applied })
    const file = nodeKeyFile(config)
    if (await opensAuthority(db, file)) return
    if (!newAuthority) throw new Fault('restore.nodeKey', { file })
    await forgetAuthority(db)
    log.warn('the certificate authority of the backup cannot be opened: a new one will be made')
  } finally {
    await db.destroy()
  }
}
