import type { Log } from '@ostler/kit/log.ts'
import { takePidFile } from '@ostler/kit/pid-file.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { mkdirSync } from 'node:fs'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { setApart } from '../hypervisor/desktop-group.ts'
import { endDesktops, reopenNetwork } from '../hypervisor/fence/end-desktops.ts'
import { serveFence } from '../hypervisor/fence/fence-server.ts'
import { Fence } from '../hypervisor/fence/fence.ts'
import { openHomes } from '../hypervisor/homes/home-place.ts'
import { openHomesOf } from './hypervisors.ts'
import type { NodeValues } from './node-config.ts'
import { fencePidFile, fenceSocket } from './node-parts.ts'
import { preflight } from './preflight.ts'

/** Before all others: who is late here ends desktops late. */
const FIRST = -15

/**
 * Starts the fence of a node, out of whatever control group it was started in.
 * @throws Fault `node.running` when there is one already.
 */
export async function startFence(config: NodeValues, log: Log, scope: Scope): Promise<void> {
  const cgroups = preflight('ostler-fence')
  mkdirSync(config['path.run'], { recursive: true, mode: 0o755 })
  const pidFile = takePidFile(fencePidFile(config))
  if ('holder' in pidFile)
    throw new Fault('node.running', { program: 'ostler-fence', pid: pidFile.holder.pid })
  scope.own(pidFile.taken)
  setApart(cgroups, process.pid)
  setPriority(FIRST)
  const bridge = config['vm.network.bridge']
  const settings = {
    cgroups,
    bridge,
    prefix: config['internal.vm.name.prefix'],
    node: config['nodename'],
    homes: openHomes({ run: config['path.run'] }),
    homeKeepers: openHomesOf(config, cgroups).group?.name ?? '',
  }
  const fence = new Fence({
    file: join(config['path.run'], 'fence.json'),
    end: () => endDesktops(settings),
    reopen: () => reopenNetwork({ bridge }),
    log,
  })
  scope.own(fence)
  scope.own(await serveFence(fence, fenceSocket(config)))
  log.info('fence ready', { ...fence.state })
}
