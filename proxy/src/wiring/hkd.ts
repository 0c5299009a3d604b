import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { pidFileHolder, takePidFile } from '@ostler/kit/pid-file.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { isAlive, signalProcess } from '@ostler/kit/process-table.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { leastLoaded } from '../balance/balancer.ts'
import { ConsoleSigner } from '../hkd/console-signer.ts'
import { Housekeeper } from '../hkd/housekeeper.ts'
import { openTrust } from '../hkd/trust.ts'
import { inTurn } from '../hypervisor/in-turn.ts'
import { qemuAbilities } from '../hypervisor/kvm/abilities.ts'
import { kvmHypervisor, machinesHere } from '../hypervisor/kvm/kvm.ts'
import { lxcHypervisor } from '../hypervisor/lxc/lxc.ts'
import { ensureBridge, removeBridge } from '../hypervisor/lxc/network.ts'
import type { Hypervisor } from '../hypervisor/hypervisor.ts'
import type { CgroupLayout } from '../hypervisor/lxc/cgroup.ts'
import type { HypervisorKind } from '../model/hypervisor-kind.ts'
import { type HintChannel, listenForHints } from '../store/hints.ts'
import { registerHost, setHostState } from '../store/hosts.ts'
import { nodeCluster, openNodeDatabase } from './node-database.ts'
import type { NodeValues } from './node-config.ts'
import { doorIdentityFile, requireAccount, subnetOf } from './node-parts.ts'
import { preflight } from './preflight.ts'

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
  const trust = await openTrust(db, join(config['path.state'], 'node.key'))
  await trust.issueDoorIdentity(doorIdentityFile(config), door)
  await ensureBridge(config['vm.network.bridge'], subnetOf(config))

  const memoryMb = Math.floor(totalmem() / 2 ** 20) - config['internal.vm.cgroup.memory_reserve']
  const hostId = await registerHost(db, config['nodename'], memoryMb)
  await setHostState(db, hostId, 'starting')
  scope.defer(() =>
    setHostState(db, hostId, 'stopped').catch((error: unknown) =>
      log.warn('the end of this node could not be written down', { error }),
    ),
  )
  const housekeeper = new Housekeeper({
    db,
    hostId,
    hypervisors: hypervisorsOf(config, cgroups),
    balancer: leastLoaded,
    trust,
    run: config['path.run'],
    displayUid: door.uid,
    log,
  })
  scope.own(housekeeper)
  housekeeper.start()
  await setHostState(db, hostId, 'running')
  const consoles = scope.own(new ConsoleSigner(db, hostId, trust, log))
  const onHint = (channel: HintChannel | undefined, vmId: number | undefined): void => {
    if (channel !== 'ostler_vm') consoles.look()
    if (channel === 'ostler_ticket') return
    if (vmId === undefined) housekeeper.lookAtAll()
    else housekeeper.look(vmId)
  }
  scope.own(listenForHints(address, ['ostler_vm', 'ostler_ticket'], onHint, log))
  // The last to be put on is the first to be taken off: what is under way may take a while to end.
  scope.defer(() => setHostState(db, hostId, 'stopping'))
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
  const hypervisors = hypervisorsOf(config, cgroups)
  const here = [
    ...containersHere(config).map((id) => ({ id, hypervisor: hypervisors.lxc })),
    ...machinesHere(config['path.run']).map((id) => ({ id, hypervisor: hypervisors.kvm })),
  ]
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
  await removeBridge(config['vm.network.bridge'])
  await nodeCluster(config, cgroups).stop()
}

function hkdPidFile(config: NodeValues): string {
  return join(config['path.run'], 'hkd.pid')
}

/** Numbers of the desktops that have a container folder here. */
function containersHere(config: NodeValues): number[] {
  const prefix = config['internal.vm.name.prefix']
  if (!existsSync(config['path.run.lxc'])) return []
  return readdirSync(config['path.run.lxc'])
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(name.slice(prefix.length)))
}

function hypervisorsOf(config: NodeValues, cgroups: CgroupLayout): Record<HypervisorKind, Hypervisor> {
  const door = requireAccount(config['l7r.as_user'])
  const common = {
    prefix: config['internal.vm.name.prefix'],
    run: config['path.run'],
    logs: config['path.log'],
    overlays: config['path.storage.overlayfs'],
    homes: config['path.storage.homefs'],
    network: {
      ...subnetOf(config),
      bridge: config['vm.network.bridge'],
      macPrefix: config['vm.network.mac.prefix'],
    },
    cgroups,
  }
  const program = config['command.kvm']
  const uidStart = config['internal.vm.kvm.uid_start']
  const folder = join(config['path.run'], 'kvm')
  return {
    lxc: inTurn(
      lxcHypervisor({
        ...common,
        lxcPath: config['path.run.lxc'],
        images: config['path.storage.basefs'],
        bundle: config['path.agent.bundle'],
        displayGid: door.gid,
      }),
    ),
    kvm: inTurn(
      kvmHypervisor({
        ...common,
        program,
        uidStart,
        door,
        cores: availableParallelism(),
        abilities: qemuAbilities({ program, folder, uid: uidStart }),
      }),
    ),
  }
}
