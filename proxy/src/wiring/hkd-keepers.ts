import type { Log } from '@ostler/kit/log.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import type { CaptureKeeper } from '../hkd/capture-keeper.ts'
import { ConsoleSigner } from '../hkd/console-signer.ts'
import { DoorSsl } from '../hkd/door-ssl.ts'
import type { HkdMetrics } from '../hkd/hkd-metrics.ts'
import { HomeKeeper } from '../hkd/home-keeper.ts'
import type { Housekeeper } from '../hkd/housekeeper.ts'
import { JobKeeper } from '../hkd/job-keeper.ts'
import { keepLogShort } from '../hkd/log-keeper.ts'
import { PoolKeeper } from '../hkd/pool-keeper.ts'
import type { NodeTrust } from '../hkd/trust.ts'
import { setStartingMax } from '../store/hosts.ts'
import type { Db } from '../store/open.ts'
import { keepBackups } from './backup.ts'
import type { HintTable } from './hint-table.ts'
import type { LiveConfig } from './live-config.ts'
import { givenCertificateFile, givenSslFile } from './node-parts.ts'
import { keepNotices } from './notify.ts'
import { keepTraces } from './traces.ts'
import type { StorageCare } from './storage.ts'

/** What keepers share. */
export interface KeptNode {
  readonly live: LiveConfig
  readonly db: Db
  readonly hostId: number
  readonly trust: NodeTrust
  /** Whom the door runs as. */
  readonly door: Account
  readonly metrics: HkdMetrics
  readonly housekeeper: Housekeeper
  readonly storage: StorageCare
  readonly captures: CaptureKeeper
  readonly log: Log
}

/**
 * Opens what keeps a node besides its desktops: pools, consoles, certificates, backups, homes, notices, jobs, the
 * configuration. They end with the scope.
 * @returns who looks when a hint comes, desktops and storage included.
 */
export function openKeepers(node: KeptNode, scope: Scope): HintTable {
  const { live, db, hostId, trust, door, metrics, housekeeper, storage, captures, log } = node
  const config = live.values
  const look = (id: number): void => housekeeper.look(id)
  const waiting = () => captures.waiting()
  const pools = scope.own(new PoolKeeper({ db, hostId, look, waiting, log }))
  const consoles = scope.own(new ConsoleSigner(db, hostId, trust, log))
  const ssl = scope.own(
    new DoorSsl({
      ...{ db, trust, log },
      file: givenSslFile(config),
      publicFile: givenCertificateFile(config),
      reader: door,
    }),
  )
  const backups = scope.own(keepBackups(() => live.values, db, log))
  metrics.backupVerifiedAt = () => backups.verifiedAt
  const homes = scope.own(
    new HomeKeeper({
      ...{ db, hostId, log },
      homes: config['path.storage.homefs'],
      mustBeMounted: config['storage.homefs.mounted'],
      trashDays: config['storage.trash.days'],
    }),
  )
  const notices = scope.own(keepNotices(config, db, log))
  keepTraces(config, { db, hostId, log }, scope)
  scope.own(keepLogShort(db, config['log.keep.days'], log))
  const jobs = scope.own(new JobKeeper(db, hostId, log))
  live.onChange((values) => {
    setStartingMax(db, hostId, values['hkd.vm.starting.max']).catch((error: unknown) =>
      log.warn('hkd.vm.starting.max was not written down', { error }),
    )
  })
  const keeping = scope.own(live.keepUp())
  return {
    ostler_vm: (id) => {
      pools.look()
      jobs.lookAtOpen()
      if (id === undefined) housekeeper.lookAtAll()
      else housekeeper.look(id)
    },
    ostler_ticket: () => consoles.look(),
    ostler_config: () => {
      ssl.look()
      keeping.now()
    },
    ostler_backup: () => backups.look(),
    ostler_home: () => {
      homes.look()
      storage.look()
    },
    ostler_storage: () => storage.look(),
    ostler_notice: () => notices.look(),
    ostler_job: () => jobs.look(),
  }
}
