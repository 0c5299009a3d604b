import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { pidFileHolder, takePidFile } from '@ostler/kit/pid-file.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { isAlive, signalProcess } from '@ostler/kit/process-table.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { leastLoaded } from '../balance/balancer.ts'
import { ConsoleSigner } from '../hkd/console-signer.ts'
import { HkdMetrics } from '../hkd/hkd-metrics.ts'
import { Housekeeper } from '../hkd/housekeeper.ts'
import { openTrust } from '../hkd/trust.ts'
import type { Hypervisor } from '../hypervisor/hypervisor.ts'
import { ensureBridge, removeBridge } from '../hypervisor/lxc/network.ts'
import { type HintChannel, listenForHints } from '../store/hints.ts'
import { registerHost, setHostState } from '../store/hosts.ts'
import { countDesktops } from '../store/vms.ts'
import { answerLocally } from './asked-locally.ts'
import { keepBackups } from './backup.ts'
import { openHypervisor } from './hypervisors.ts'
import { nodeCluster, openNodeDatabase } from './node-database.ts'
import type { NodeValues } from './node-config.ts'
import {
  doorIdentityFile,
  hkdPidFile,
  hkdSocket,
  nodeKeyFile,
  requireAccount,
  subnetOf,
} from './node-parts.ts'
import { preflight } from './preflight.ts'
import { watchProcess } from './process-metrics.ts'

/** A door's identity is good for a year: a node may run longer than that. */
const RENEW_MS = 86_400_000

/** Starts the housekeeping daemon: database, trust, network, then the desktops. */
export async function startHkd(config: NodeValues, log: Log, scope: Scope): Promise<void> {
  const cgroups = preflight('ostler-hkd')
  const door = requireAccount(config['l7r.as_user'])
  mkdirSync(config['path.run'], { recursive: true, mode: 0o755 })
  const pidFile = takePidFile(hkdPidFile(config))
  if ('holder' in pidFile) throw new Fault('node.running', { program: 'ostler-hkd', pid: pidFile.holder.pid })
  scope.own(pidFile.taken)

  // What guests have written must not be within reach of the node's users: a set-user-id file, say.
  mkdirSync(config['path.storage.root'], { recursive: true, mode: 0o755 })
  chmodSync(config['path.storage.root'], 0o700)
  const { db, address } = await openNodeDatabase(config, cgroups, log, scope)
  const trust = await openTrust(db, nodeKeyFile(config))
  const issueDoorIdentity = (): Promise<void> => trust.issueDoorIdentity(doorIdentityFile(config), door)
  await issueDoorIdentity()
  const renewal = setInterval(() => {
    issueDoorIdentity().catch((error: unknown) =>
      log.warn('the identity of the door was not renewed', { error }),
    )
  }, RENEW_MS)
  scope.defer(() => clearInterval(renewal))
  await ensureBridge(config['vm.network.bridge'], subnetOf(config))

  const memoryMb = Math.floor(totalmem() / 2 ** 20) - config['internal.vm.cgroup.memory_reserve']
  const hostId = await registerHost(db, config['nodename'], memoryMb, config['hkd.vm.starting.max'])
  await setHostState(db, hostId, 'starting')
  scope.defer(() =>
    setHostState(db, hostId, 'stopped').catch((error: unknown) =>
      log.warn('the end of this node could not be written down', { error }),
    ),
  )
  const metrics = new HkdMetrics(() => countDesktops(db, hostId))
  watchProcess(metrics.registry, 'ostler_hkd', db, scope)
  const housekeeper = new Housekeeper({
    db,
    hostId,
    hypervisor: openHypervisor(config, cgroups),
    balancer: leastLoaded,
    trust,
    run: config['path.run'],
    displayUid: door.uid,
    remindMs: config['internal.hkd.agent.expiration_monitor.delay'] * 1_000,
    metrics,
    imagesAtOnce: config['internal.hkd.max_heavy'],
    log,
  })
  scope.own(housekeeper)
  // Desktops are placed on nodes that run.
  await setHostState(db, hostId, 'running')
  housekeeper.start()
  const consoles = scope.own(new ConsoleSigner(db, hostId, trust, log))
  const backups = scope.own(keepBackups(config, db, log))
  metrics.backupVerifiedAt = () => backups.verifiedAt
  const onHint = (channel: HintChannel | undefined, vmId: number | undefined): void => {
    if (channel === undefined || channel === 'ostler_backup') backups.look()
    if (channel === 'ostler_backup') return
    if (channel !== 'ostler_vm') consoles.look()
    if (channel === 'ostler_ticket') return
    if (vmId === undefined) housekeeper.lookAtAll()
    else housekeeper.look(vmId)
  }
  scope.own(listenForHints(address, ['ostler_vm', 'ostler_ticket', 'ostler_backup'], onHint, log))
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
  const trouble = await stopDesktops(openHypervisor(config, cgroups), desktopsHere(config), log).catch(
    (error: unknown) => ({ error }),
  )
  await removeBridge(config['vm.network.bridge'])
  await nodeCluster(config, cgroups).stop()
  if (trouble !== undefined) throw trouble.error
}

async function stopDesktops(hypervisor: Hypervisor, ids: readonly number[], log: Log): Promise<undefined> {
  await Promise.all(ids.map((id) => hypervisor.powerOff(id)))
  const isGone = (id: number): boolean => hypervisor.observe(id).processes === 'absent'
  await comesToHold(() => ids.every(isGone), STOP_DESKTOPS_MS, 50)
  for (const id of ids) {
    await hypervisor.kill(id)
    await comesToHold(() => isGone(id), 2_000, 20)
    await hypervisor.release(id)
    log.info('desktop stopped', { vm: id })
  }
}

/** Numbers of the desktops that have a run folder here, whichever driver made it. */
function desktopsHere(config: NodeValues): number[] {
  const folder = join(config['path.run'], 'desktops')
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
    : []
}
