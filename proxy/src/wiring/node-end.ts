import type { Log } from '@ostler/kit/log.ts'
import { pidFileHolder } from '@ostler/kit/pid-file.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { isAlive, signalProcess } from '@ostler/kit/process-table.ts'
import { giveBackHomes } from '../hypervisor/homes/housed.ts'
import type { Hypervisors } from '../hypervisor/hypervisor.ts'
import { removeBridge } from '../hypervisor/lxc/network.ts'
import { runFoldersHere } from '../hypervisor/run-folders.ts'
import { closeFence } from './desktop-network.ts'
import { openHomesOf, openHypervisors } from './hypervisors.ts'
import { nodeCluster } from './node-database.ts'
import type { NodeValues } from './node-config.ts'
import { fencePidFile, hkdPidFile } from './node-parts.ts'
import { preflight } from './preflight.ts'
import { isRemote } from './remote-database.ts'

const STOP_HKD_MS = 15_000
const STOP_DESKTOPS_MS = 10_000
const STOP_FENCE_MS = 5_000

/**
 * Stops everything of this node: a running hkd, the desktops, the bridge, the fence, and PostgreSQL last. Works from any
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
  const fence = pidFileHolder(fencePidFile(config))
  if (fence !== undefined && signalProcess(fence, 'SIGTERM'))
    await comesToHold(() => !isAlive(fence), STOP_FENCE_MS, 20)
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
