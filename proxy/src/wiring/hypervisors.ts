import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Hypervisor, Hypervisors } from '../hypervisor/hypervisor.ts'
import { inTurn } from '../hypervisor/in-turn.ts'
import { qemuAbilities } from '../hypervisor/kvm/abilities.ts'
import { kvmHypervisor } from '../hypervisor/kvm/kvm.ts'
import type { CgroupLayout } from '../hypervisor/lxc/cgroup.ts'
import { lxcHypervisor } from '../hypervisor/lxc/lxc.ts'
import { processHypervisor } from '../hypervisor/process/process.ts'
import { simulatedHypervisor } from '../hypervisor/simulated/simulated.ts'
import type { HypervisorKind } from '../model/hypervisor-kind.ts'
import type { NodeValues } from './node-config.ts'
import { requireAccount, subnetOf, yardSocket } from './node-parts.ts'

/** Drivers whose desktops are on the bridge. */
const ON_BRIDGE: readonly HypervisorKind[] = ['lxc', 'kvm']

/**
 * The drivers of this node; each is opened when it is first asked for.
 * @param fence puts a driver of desktops on the bridge behind the node's rules.
 */
export function openHypervisors(
  config: NodeValues,
  cgroups: CgroupLayout,
  fence: (driver: Hypervisor) => Hypervisor = (driver) => driver,
): Hypervisors {
  const opened = new Map<HypervisorKind, Hypervisor>()
  const open = (kind: HypervisorKind): Hypervisor => {
    const driver = MAKERS[kind](config, cgroups)
    return inTurn(ON_BRIDGE.includes(kind) ? fence(driver) : driver)
  }
  return {
    usual: config['vm.hypervisor'],
    by: (kind) => {
      const driver = opened.get(kind) ?? open(kind)
      opened.set(kind, driver)
      return driver
    },
  }
}

type Maker = (config: NodeValues, cgroups: CgroupLayout) => Hypervisor

const MAKERS: Readonly<Record<HypervisorKind, Maker>> = {
  lxc: (config, cgroups) =>
    lxcHypervisor({
      ...placesOf(config),
      ...imagesOf(config),
      lxcPath: config['path.run.lxc'],
      logs: config['path.log'],
      network: networkOf(config),
      cgroups,
      users: config['vm.lxc.userns']
        ? { first: config['vm.lxc.uid.first'], perDesktop: config['vm.lxc.uid.count'] }
        : undefined,
    }),
  kvm: (config, cgroups) => {
    const program = config['command.kvm']
    const uidStart = config['internal.vm.kvm.uid_start']
    const folder = join(config['path.run'], 'kvm')
    return kvmHypervisor({
      ...placesOf(config),
      ...{ program, uidStart, cgroups },
      logs: config['path.log'],
      network: networkOf(config),
      door: requireAccount(config['l7r.as_user']),
      cores: availableParallelism(),
      abilities: qemuAbilities({ program, folder, uid: uidStart }),
    })
  },
  process: (config, cgroups) =>
    processHypervisor({
      ...placesOf(config),
      ...imagesOf(config),
      root: { firstUid: config['vm.process.uid.first'], cgroups },
    }),
  simulated: (config) => simulatedHypervisor(yardSocket(config)),
}

function placesOf(config: NodeValues) {
  return {
    prefix: config['internal.vm.name.prefix'],
    run: config['path.run'],
    overlays: config['path.storage.overlayfs'],
    homes: config['path.storage.homefs'],
  }
}

/** For guests that are folders of this node. */
function imagesOf(config: NodeValues) {
  return {
    images: config['path.storage.basefs'],
    bundle: config['path.agent.bundle'],
    displayGid: requireAccount(config['l7r.as_user']).gid,
  }
}

function networkOf(config: NodeValues) {
  return {
    ...subnetOf(config),
    bridge: config['vm.network.bridge'],
    macPrefix: config['vm.network.mac.prefix'],
  }
}
