import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { pidFileHolder, takePidFile } from '@ostler/kit/pid-file.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { isAlive, signalProcess } from '@ostler/kit/process-table.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { chmodSync, mkdirSync } from 'node:fs'
import { totalmem } from 'node:os'
import { leastLoaded } from '../balance/balancer.ts'
import { ConsoleSigner } from '../hkd/console-signer.ts'
import { DoorSsl } from '../hkd/door-ssl.ts'
import { HomeKeeper } from '../hkd/home-keeper.ts'
import { HkdMetrics } from '../hkd/hkd-metrics.ts'
import { Housekeeper } from '../hkd/housekeeper.ts'
import { keepIdentities } from '../hkd/identities.ts'
import { JobKeeper } from '../hkd/job-keeper.ts'
import { keepLogShort } from '../hkd/log-keeper.ts'
import { openTrust } from '../hkd/trust.ts'
import { giveBackHomes } from '../hypervisor/homes/housed.ts'
import type { Hypervisors } from '../hypervisor/hypervisor.ts'
import { ensureBridge, removeBridge } from '../hypervisor/lxc/network.ts'
import { runFoldersHere } from '../hypervisor/run-folders.ts'
import { type HintChannel, listenForHints } from '../store/hints.ts'
import { registerHost, requireKnownHost, setHostState, setStartingMax } from '../store/hosts.ts'
import { countDesktops } from '../store/vms.ts'
import { answerLocally } from './asked-locally.ts'
import { keepBackups } from './backup.ts'
import { closeFence, openFence } from './desktop-network.ts'
import { findingsInFile } from './check-config.ts'
import { healthRules } from './health-options.ts'
import { openHomesOf, openHypervisors } from './hypervisors.ts'
import { LiveConfig } from './live-config.ts'
import { nodeCluster, openNodeDatabase } from './node-database.ts'
import type { NodeValues } from './node-config.ts'
import {
  doorIdentityFile,
  givenCertificateFile,
  givenSslFile,
  hkdPidFile,
  hkdSocket,
  nodeKeyFile,
  requireAccount,
  subnetOf,
} from './node-parts.ts'
import { keepNotices } from './notify.ts'
import { preflight } from './preflight.ts'
import { isRemote } from './remote-database.ts'
import { careForStorage } from './storage.ts'
import { watchProcess } from './process-metrics.ts'

/** Starts the housekeeping daemon: database, trust, network, then the desktops. */
export async function startHkd(
  inFile: NodeValues,
  log: Log,
  scope: Scope,
  configFile: string,
): Promise<void> {
  const cgroups = preflight('ostler-hkd')
  for (const { kind, keys, text } of findingsInFile(configFile))
    if (kind !== 'unknown') log.warn('configuration', { keys: keys.join(', '), warning: text })
  const door = requireAccount(inFile['l7r.as_user'])
  mkdirSync(inFile['path.run'], { recursive: true, mode: 0o755 })
  const pidFile = takePidFile(hkdPidFile(inFile))
  if ('holder' in pidFile) throw new Fault('node.running', { program: 'ostler-hkd', pid: pidFile.holder.pid })
  scope.own(pidFile.taken)

  // What guests have written must not be within reach of the node's users: a set-user-id file, say.
  mkdirSync(inFile['path.storage.root'], { recursive: true, mode: 0o755 })
  chmodSync(inFile['path.storage.root'], 0o700)
  const { db, address } = await openNodeDatabase(inFile, cgroups, log, scope)
  const live = await LiveConfig.open(db, configFile, log)
  const config = live.values
  const trust = await openTrust(db, nodeKeyFile(config))
  scope.own(await keepIdentities({ trust, file: doorIdentityFile(config), door, log }))
  await ensureBridge(config['vm.network.bridge'], subnetOf(config))

  const memoryMb = Math.floor(totalmem() / 2 ** 20) - config['internal.vm.cgroup.memory_reserve']
  await requireKnownHost(db, config['nodename'])
  const hostId = await registerHost(db, config['nodename'], memoryMb, config['hkd.vm.starting.max'])
  await setHostState(db, hostId, 'starting')
  scope.defer(() =>
    setHostState(db, hostId, 'stopped').catch((error: unknown) =>
      log.warn('the end of this node could not be written down', { error }),
    ),
  )
  const metrics = new HkdMetrics(() => countDesktops(db, hostId))
  watchProcess(metrics.registry, 'ostler_hkd', db, scope)
  const fence = await openFence(config, db, hostId, log, scope)
  const onReady = (): void => housekeeper.lookAtAll()
  const storage = careForStorage(config, { db, hostId, metrics, log }, onReady, scope)
  const housekeeper: Housekeeper = new Housekeeper({
    db,
    hostId,
    hypervisors: openHypervisors(config, cgroups, fence, storage.guard),
    holds: (image) => storage.holds(image),
    balancer: leastLoaded,
    trust,
    run: config['path.run'],
    displayUid: door.uid,
    homesShared: config['storage.homefs.shared'],
    get remindMs() {
      return live.values['internal.hkd.agent.expiration_monitor.delay'] * 1_000
    },
    metrics,
    imagesAtOnce: config['internal.hkd.max_heavy'],
    ...healthRules(config),
    log,
  })
  scope.own(housekeeper)
  // Desktops are placed on nodes that run.
  await setHostState(db, hostId, 'running')
  housekeeper.start()
  const consoles = scope.own(new ConsoleSigner(db, hostId, trust, log))
  const ssl = scope.own(
    new DoorSsl({
      db,
      trust,
      file: givenSslFile(config),
      publicFile: givenCertificateFile(config),
      reader: door,
      log,
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
  scope.own(keepLogShort(db, config['log.keep.days'], log))
  const jobs = scope.own(new JobKeeper(db, hostId, log))
  live.onChange((values) => {
    setStartingMax(db, hostId, values['hkd.vm.starting.max']).catch((error: unknown) =>
      log.warn('hkd.vm.starting.max was not written down', { error }),
    )
  })
  const keeping = scope.own(live.keepUp())
  const onHint = (channel: HintChannel | undefined, vmId: number | undefined): void => {
    if (channel === undefined || channel === 'ostler_config') {
      ssl.look()
      keeping.now()
    }
    if (channel === undefined || channel === 'ostler_backup') backups.look()
    if (channel === undefined || channel === 'ostler_home') homes.look()
    if (channel === undefined || channel === 'ostler_storage') storage.look()
    if (channel === undefined || channel === 'ostler_notice') notices.look()
    if (channel === undefined || channel === 'ostler_job') jobs.look()
    if (channel !== undefined && NOT_OF_DESKTOPS.includes(channel)) return
    if (channel === 'ostler_vm') jobs.lookAtOpen()
    if (channel !== 'ostler_vm') consoles.look()
    if (channel === 'ostler_ticket') return
    if (vmId === undefined) housekeeper.lookAtAll()
    else housekeeper.look(vmId)
  }
  const channels = ['ostler_vm', 'ostler_ticket', ...NOT_OF_DESKTOPS] as const
  scope.own(listenForHints(address, channels, onHint, log))
  // The last to be put on is the first to be taken off: what is under way may take a while to end.
  scope.defer(() => setHostState(db, hostId, 'stopping'))
  await answerLocally(
    { 'GET /metrics': () => metrics.registry.metrics() },
    { socket: hkdSocket(config), loopback: config['hkd.metrics.listen'] },
    log,
    scope,
  )
  log.info('node ready', { host: hostId })
}

/** Hints that have nothing to do with what a desktop should be doing. */
const NOT_OF_DESKTOPS: readonly HintChannel[] = [
  'ostler_config',
  'ostler_backup',
  'ostler_home',
  'ostler_storage',
  'ostler_notice',
  'ostler_job',
]

const STOP_HKD_MS = 15_000
const STOP_DESKTOPS_MS = 10_000

/**
 * Stops everything of this node: a running hkd, the desktops, the bridge, and PostgreSQL last. Works from any
 * state that a crash left behind.
 */
export async function shutDownNode(config: NodeValues, log: Log): Promise<void> {
  const cgroups = preflight('ostler-hkd')
  const hkd = pidFileHolder(hkdPidFile(config))
  if (hkd !== undefined) {
    signalProcess(hkd, 'SIGTERM')
    await comesToHold(() => !isAlive(hkd), STOP_HKD_MS, 50)
    signalProcess(hkd, 'SIGKILL')
  }
  // Desktops that cannot be stopped must not keep the rest from it.
  const hypervisors = openHypervisors(config, cgroups)
  const trouble = await stopDesktops(hypervisors, config['path.run'], log)
    .then(() => giveBackHomes(openHomesOf(config, cgroups)))
    .catch((error: unknown) => ({ error }))
  await closeFence(config, log)
  await removeBridge(config['vm.network.bridge'])
  if (!isRemote(config)) await nodeCluster(config, cgroups).stop()
  if (trouble !== undefined) throw trouble.error
}

async function stopDesktops({ usual, by }: Hypervisors, run: string, log: Log): Promise<undefined> {
  const here = runFoldersHere(run).map(({ id, driver = usual }) => ({ id, hypervisor: by(driver) }))
  await Promise.all(here.map(({ id, hypervisor }) => hypervisor.powerOff(id)))
  const isGone = ({ id, hypervisor }: (typeof here)[number]): boolean =>
    hypervisor.observe(id).processes === 'absent'
  await comesToHold(() => here.every(isGone), STOP_DESKTOPS_MS, 50)
  for (const desktop of here) {
    const { id, hypervisor } = desktop
    await hypervisor.kill(id)
    await comesToHold(() => isGone(desktop), 2_000, 20)
    await hypervisor.release(id)
    log.info('desktop stopped', { vm: id })
  }
}
