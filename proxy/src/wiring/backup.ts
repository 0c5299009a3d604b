import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { BackupKeeper } from '../hkd/backup-keeper.ts'
import { SUPERUSER } from '../hkd/cluster.ts'
import { saveDatabase } from '../hkd/database-dump.ts'
import type { Db } from '../store/open.ts'
import type { NodeValues } from './node-config.ts'
import { databaseAddress, requireAccount } from './node-parts.ts'
import { isRemote } from './remote-database.ts'

/**
 * Makes the backups of this node's private PostgreSQL; those of a server of the administrator's are hers.
 * @param now the configuration as it is now.
 */
export function keepBackups(now: () => NodeValues, db: Db, log: Log): BackupKeeper {
  const config = now()
  if (isRemote(config)) {
    const elsewhere = new Fault('backup.elsewhere', { host: config['database.host'] })
    return new BackupKeeper({ db, save: () => Promise.reject(elsewhere), at: () => undefined, log })
  }
  const settings = {
    superuser: databaseAddress(config, SUPERUSER),
    data: config['path.database'],
    programs: config['path.postgresql'],
    account: requireAccount(config['database.as_user']),
    folder: config['path.backup'],
    get keep() {
      return now()['backup.keep']
    },
  }
  return new BackupKeeper({
    db,
    save: (number, signal) => saveDatabase(settings, number, signal),
    at: () => now()['backup.at'],
    log,
  })
}
