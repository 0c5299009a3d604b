import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Hypervisor, Hypervisors } from '../hypervisor/hypervisor.ts'
import { leased } from '../hypervisor/fence/leased.ts'
import { housed, type HousedSettings } from '../hypervisor/homes/housed.ts'
import { inTurn } from '../hypervisor/in-turn.ts'
import { guarded, logsOf, type StorageGuard } from '../hypervisor/storage/guarded.ts'
import { qemuAbilities } from '../hypervisor/kvm/abilities.ts'
import { kvmHypervisor } from '../hypervisor/kvm/kvm.ts'
import type { CgroupLayout } from '../hypervisor/lxc/cgroup.ts'
import { lxcHypervisor } from '../hypervisor/lxc/lxc.ts'
import { ownerOnNode, processHypervisor } from '../hypervisor/process/process.ts'
import { simulatedHypervisor } from '../hypervisor/simulated/simulated.ts'
import type { HypervisorKind } from '../model/hypervisor-kind.ts'
import type { NodeValues } from './node-config.ts'
import { requireAccount, subnetOf, yardSocket } from './node-parts.ts'
import { storageFolders } from './storage.ts'

/** Drivers whose desktops are on the bridge. */
const ON_BRIDGE: readonly HypervisorKind[] = ['lxc', 'kvm']
/** Where the overlays of drivers are that have some. */
const OVERLAYS = {
  lxc: 'path.storage.overlayfs',
  process: 'path.storage.overlayfs',
  kvm: 'path.storage.overlays',
  simulated: undefined,
} as const satisfies Readonly<Record<HypervisorKind, keyof NodeValues | undefined>>

/**
 * The drivers of this node; each is opened when it is first asked for.
 * @param fence puts a driver of desktops on the bridge behind the node's rules.
 * @param storage what hkd knows of images, and writes down of what was kept.
 * @param mayRun says whether desktops may begin here now.
 */
export function openHypervisors(
  config: NodeValues,
  cgroups: CgroupLayout,
  fence: (driver: Hypervisor) => Hypervisor = (driver) => driver,
  storage: Pick<StorageGuard, 'onKept' | 'refuses'> = {},
  mayRun?: () => boolean,
): Hypervisors {
  const opened = new Map<HypervisorKind, Hypervisor>()
  const lookedAfter = (kind: HypervisorKind, driver: Hypervisor): Hypervisor => {
    const key = OVERLAYS[kind]
    if (key === undefined) return driver
    return guarded(driver, {
      folders: storageFolders(config),
      overlays: config[key],
      node: config['nodename'],
      cgroups,
      mounts: config['storage.mounts'],
      logs: (id) => logsOf(config['path.log'], `${config['internal.vm.name.prefix']}${id}`),
      ...storage,
    })
  }
  const open = (kind: HypervisorKind): Hypervisor => {
    const driver = lookedAfter(kind, MAKERS[kind](config, cgroups))
    const fenced = ON_BRIDGE.includes(kind) ? fence(driver) : driver
    const homes = HOMES[kind]?.(config)
    const whole = homes === undefined ? fenced : housed(fenced, { ...homesOf(config, cgroups), ...homes })
    return inTurn(mayRun === undefined ? whole : leased(whole, mayRun))
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
      overlays: config['path.storage.overlays'],
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

type HomesOfDriver = (config: NodeValues) => Pick<HousedSettings, 'kinds' | 'owner'>
const ROOT = { uid: 0, gid: 0 }

/** What drivers can give to their desktops as homes; one that is not named has none. */
const HOMES: Readonly<Partial<Record<HypervisorKind, HomesOfDriver>>> = {
  lxc: () => ({ kinds: ['directory', 'image'], owner: () => ROOT }),
  kvm: () => ({ kinds: ['raw', 'qcow2'], owner: () => ROOT }),
  process: (config) => {
    const root = { firstUid: config['vm.process.uid.first'] }
    return { kinds: ['directory'], owner: (spec) => ownerOnNode(root, spec) }
  },
}

/** What this node has open of homes. */
export function openHomesOf(
  config: NodeValues,
  cgroups: CgroupLayout,
): Pick<HousedSettings, 'run' | 'group'> {
  return { run: config['path.run'], group: { cgroups, name: `${config['internal.vm.name.prefix']}homes` } }
}

function homesOf(config: NodeValues, cgroups: CgroupLayout): Omit<HousedSettings, 'kinds' | 'owner'> {
  return {
    ...placesOf(config),
    ...openHomesOf(config, cgroups),
    node: config['nodename'],
    mustBeMounted: config['storage.homefs.mounted'],
  }
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
