import type { Hypervisor } from '../hypervisor/hypervisor.ts'
import { inTurn } from '../hypervisor/in-turn.ts'
import type { CgroupLayout } from '../hypervisor/lxc/cgroup.ts'
import { lxcHypervisor } from '../hypervisor/lxc/lxc.ts'
import { processHypervisor } from '../hypervisor/process/process.ts'
import { simulatedHypervisor } from '../hypervisor/simulated/simulated.ts'
import type { NodeValues } from './node-config.ts'
import { requireAccount, subnetOf, yardSocket } from './node-parts.ts'

/** The driver of this node's desktops, behind the fence where there is one. */
export function openHypervisor(
  config: NodeValues,
  cgroups: CgroupLayout,
  fence: (driver: Hypervisor) => Hypervisor = (driver) => driver,
): Hypervisor {
  return inTurn(fence(MAKERS[config['vm.hypervisor']](config, cgroups)))
}

type Maker = (config: NodeValues, cgroups: CgroupLayout) => Hypervisor

const MAKERS: Readonly<Record<NodeValues['vm.hypervisor'], Maker>> = {
  lxc: (config, cgroups) =>
    lxcHypervisor({
      ...placesOf(config),
      lxcPath: config['path.run.lxc'],
      logs: config['path.log'],
      network: {
        ...subnetOf(config),
        bridge: config['vm.network.bridge'],
        macPrefix: config['vm.network.mac.prefix'],
      },
      cgroups,
    }),
  process: (config, cgroups) =>
    processHypervisor({
      ...placesOf(config),
      root: { firstUid: config['vm.process.uid.first'], cgroups },
    }),
  simulated: (config) => simulatedHypervisor(yardSocket(config)),
}

function placesOf(config: NodeValues) {
  return {
    prefix: config['internal.vm.name.prefix'],
    run: config['path.run'],
    images: config['path.storage.basefs'],
    overlays: config['path.storage.overlayfs'],
    homes: config['path.storage.homefs'],
    bundle: config['path.agent.bundle'],
    displayGid: requireAccount(config['l7r.as_user']).gid,
  }
}
