import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Hypervisor } from '../hypervisor/hypervisor.ts'
import { fenced } from '../hypervisor/network/fenced.ts'
import { Firewall } from '../hypervisor/network/firewall.ts'
import { addressesInUse } from '../store/addresses.ts'
import type { Db } from '../store/open.ts'
import type { NodeValues } from './node-config.ts'
import { subnetOf } from './node-parts.ts'

/** How often the rules are looked at: somebody may have flushed them. */
const MEND_MS = 10_000

/**
 * Puts the rules of this node's desktops into force, and keeps them there.
 * @returns what makes a driver's desktops known to the rules.
 * @throws Fault `node.missingProgram`, `node.missingFeature`, `node.network`, `config.invalid`.
 */
export async function openFence(
  config: NodeValues,
  db: Db,
  hostId: number,
  log: Log,
  scope: Scope,
): Promise<(driver: Hypervisor) => Hypervisor> {
  if (!isFenced(config)) return (driver) => driver
  const { natDevice, ...settings } = firewallSettings(config)
  const firewall = new Firewall({ ...settings, natDevice })
  await firewall.establish(await addressesInUse(db, hostId))
  if (natDevice !== undefined) letOut(settings.bridge, natDevice, log)
  const timer = setInterval(() => {
    firewall.mend().then(
      (mended) => {
        if (mended) log.warn("the rules of the desktops' network were changed or removed, and made again")
      },
      (error: unknown) => log.error("the rules of the desktops' network could not be made again", { error }),
    )
  }, MEND_MS)
  scope.defer(() => clearInterval(timer))
  const { prefix, protectVms } = settings
  return (driver) => fenced(driver, { firewall, prefix, protectVms })
}

/** Desktops without the bridge need no rules. */
function isFenced(config: NodeValues): boolean {
  const driver: string = config['vm.hypervisor']
  return config['internal.vm.network.firewall.enable'] && driver !== 'process' && driver !== 'simulated'
}

function firewallSettings(config: NodeValues) {
  return {
    prefix: config['internal.vm.name.prefix'],
    bridge: config['vm.network.bridge'],
    subnet: subnetOf(config),
    start: config['vm.network.ip.start'],
    macPrefix: config['vm.network.mac.prefix'],
    protectHost: config['internal.vm.network.firewall.protect_host'],
    protectVms: config['internal.vm.network.firewall.protect_vms'],
    loginPort: config['internal.vm.network.firewall.allow_login_from_vm'] ? config['l7r.port'] : undefined,
    natDevice: config['vm.network.firewall.nat.iface'],
  }
}

/** Lets the node route what comes from the bridge. Whether it routes what comes back is the administrator's choice. */
function letOut(bridge: string, device: string, log: Log): void {
  const forwarding = (name: string): string => `/proc/sys/net/ipv4/conf/${name}/forwarding`
  writeFileSync(forwarding(bridge), '1')
  if (!existsSync(forwarding(device))) log.warn('vm.network.firewall.nat.iface is not there', { device })
  else if (readFileSync(forwarding(device), 'utf8').trim() === '0')
    log.warn('answers do not reach desktops: this device does not forward', {
      key: `net.ipv4.conf.${device}.forwarding`,
    })
}
