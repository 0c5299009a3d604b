import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { takePidFile } from '@ostler/kit/pid-file.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { CaptureKeeper } from '../hkd/capture-keeper.ts'
import { HkdMetrics } from '../hkd/hkd-metrics.ts'
import { Housekeeper } from '../hkd/housekeeper.ts'
import { keepIdentities } from '../hkd/identities.ts'
import { watchPromises } from '../hkd/slo-metrics.ts'
import { openTrust } from '../hkd/trust.ts'
import { ensureBridge } from '../hypervisor/lxc/network.ts'
import { judgeStarts } from '../model/slo.ts'
import { registerHost, requireKnownHost, setHostState } from '../store/hosts.ts'
import type { Db } from '../store/open.ts'
import { readStarts } from '../store/slo.ts'
import { countDesktops } from '../store/vms.ts'
import { answerLocally } from './asked-locally.ts'
import { openBalancer } from './balancer.ts'
import { findingsInFile } from './check-config.ts'
import { openFence } from './desktop-network.ts'
import { healthRules } from './health-options.ts'
import { heavyWork } from './heavy-work.ts'
import { fenceProgramHere, openLease } from './host-lease.ts'
import { listenByTable } from './hint-table.ts'
import { openKeepers } from './hkd-keepers.ts'
import { openHypervisors } from './hypervisors.ts'
import { LiveConfig } from './live-config.ts'
import type { NodeValues } from './node-config.ts'
import { openNodeDatabase } from './node-database.ts'
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
import { isRemote } from './remote-database.ts'
import { careForStorage } from './storage.ts'

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
  claimFolders(inFile, scope)
  const { db, address } = await openNodeDatabase(inFile, cgroups, log, scope)
  const live = await LiveConfig.open(db, configFile, log)
  const config = live.values
  const trust = await openTrust(db, nodeKeyFile(config))
  scope.own(await keepIdentities({ trust, file: doorIdentityFile(config), door, log }))
  await ensureBridge(config['vm.network.bridge'], subnetOf(config))

  const hostId = await registerNode(config, db)
  const metrics = new HkdMetrics(() => countDesktops(db, hostId))
  const onTick = (): void => metrics.ticked()
  const node = { live, db, hostId, trust, door, metrics, log }
  const reach = { config, configFile, address, onTick, fenceProgram: fenceProgramHere() }
  const lease = isRemote(config) ? await openLease({ ...node, ...reach }, scope) : undefined
  if (lease === undefined) await beginAlone(db, hostId, log, scope)
  watchProcess(metrics.registry, 'ostler_hkd', db, scope)
  watchPromises(metrics.registry, async () =>
    (await readStarts(db, { days: 30, promised: true })).map(({ counted, hops }) =>
      judgeStarts(counted, hops),
    ),
  )
  const fence = await openFence(config, db, hostId, log, scope)
  const storage = careForStorage(
    config,
    { ...node, gate: heavyWork(live) },
    () => housekeeper.lookAtAll(),
    scope,
  )
  const golden = join(config['path.storage.root'], 'golden')
  const captures = new CaptureKeeper({ db, hostId, golden, log })
  const housekeeper: Housekeeper = new Housekeeper({
    ...{ db, hostId, trust, metrics, captures, log },
    hypervisors: openHypervisors(config, cgroups, fence, storage.guard, lease && (() => lease.mayRun)),
    ...(lease === undefined ? {} : { lives: () => Promise.resolve(), mayRun: () => lease.mayRun }),
    holds: (image) => storage.holds(image),
    balancer: await openBalancer(config),
    run: config['path.run'],
    displayUid: door.uid,
    homesShared: config['storage.homefs.shared'],
    get remindMs() {
      return live.values['internal.hkd.agent.expiration_monitor.delay'] * 1_000
    },
    imageGate: heavyWork(live),
    ...healthRules(config),
  })
  scope.own(housekeeper)
  // Desktops are placed on nodes that run.
  await setHostState(db, hostId, 'running')
  housekeeper.start()
  const hints = openKeepers({ ...node, housekeeper, storage, captures }, scope)
  scope.own(listenByTable(address, hints, log))
  // The last to be put on is the first to be taken off: what is under way may take a while to end.
  scope.defer(async () => void (await setHostState(db, hostId, 'stopping')))
  await answerLocally(
    { 'GET /metrics': () => metrics.registry.metrics() },
    { socket: hkdSocket(config), loopback: config['hkd.metrics.listen'] },
    log,
    scope,
  )
  log.info('node ready', { host: hostId })
}

/** Takes the folders of a node for this process. @throws Fault `node.running` when another keeps house there. */
function claimFolders(config: NodeValues, scope: Scope): void {
  mkdirSync(config['path.run'], { recursive: true, mode: 0o755 })
  const pidFile = takePidFile(hkdPidFile(config))
  if ('holder' in pidFile) throw new Fault('node.running', { program: 'ostler-hkd', pid: pidFile.holder.pid })
  scope.own(pidFile.taken)
  // What guests have written must not be within reach of the node's users: a set-user-id file, say.
  mkdirSync(config['path.storage.root'], { recursive: true, mode: 0o755 })
  chmodSync(config['path.storage.root'], 0o700)
  makeStaging(config)
  // The api cannot make it: what is above is root's.
  const { uid, gid } = requireAccount(config['api.as_user'])
  mkdirSync(config['path.uploads'], { recursive: true, mode: 0o700 })
  chownSync(config['path.uploads'], uid, gid)
}

/** Makes the folder into which administrators put images. Elsewhere than usual it is theirs, and may be a mount to come. */
function makeStaging(config: NodeValues): void {
  const staging = config['path.storage.staging']
  if (dirname(staging) !== config['path.storage.root']) return
  if (lstatSync(staging, { throwIfNoEntry: false }) === undefined) mkdirSync(staging, { mode: 0o755 })
}

/** Finds this node's row, or makes the first one; returns its number. */
async function registerNode(config: NodeValues, db: Db): Promise<number> {
  const memoryMb = Math.floor(totalmem() / 2 ** 20) - config['internal.vm.cgroup.memory_reserve']
  await requireKnownHost(db, config['nodename'])
  return await registerHost(db, config['nodename'], memoryMb, config['hkd.vm.starting.max'], usableCpu())
}

/** QVD's measure of what processors come to: four fifths of their bogomips; 0 where the kernel does not say. */
function usableCpu(): number {
  const each = readFileSync('/proc/cpuinfo', 'utf8').matchAll(/^bogomips\s*:\s*([\d.]+)$/gim)
  return 0.8 * [...each].reduce((sum, [, bogomips]) => sum + Number(bogomips), 0)
}

/** Writes down that a node with a database of its own starts, and that it has stopped when the scope closes: nobody fences it. */
async function beginAlone(db: Db, hostId: number, log: Log, scope: Scope): Promise<void> {
  await setHostState(db, hostId, 'starting')
  scope.defer(async () => {
    await setHostState(db, hostId, 'stopped').catch((error: unknown) =>
      log.warn('the end of this node could not be written down', { error }),
    )
  })
}
