import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { run } from '@ostler/kit/run.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Hypervisor } from '../hypervisor/hypervisor.ts'
import { fenced } from '../hypervisor/network/fenced.ts'
import { AddressServer, stopAddressServer } from '../hypervisor/network/address-server.ts'
import { Firewall, removeFirewall } from '../hypervisor/network/firewall.ts'
import type { FirewallSettings, Resident } from '../hypervisor/network/ruleset.ts'
import { addressesInUse } from '../store/addresses.ts'
import type { Db } from '../store/open.ts'
import type { NodeValues } from './node-config.ts'
import { subnetOf } from './node-parts.ts'

/** How often the rules are looked at: somebody may have flushed them. */
const MEND_MS = 10_000

/**
 * Puts the rules of this node's desktops into force and keeps them there, and gives desktops their addresses by DHCP.
 * @returns what makes a driver's desktops known to both.
 * @throws Fault `node.missingProgram`, `node.missingFeature`, `node.network`, `config.invalid`.
 */
export async function openFence(
  config: NodeValues,
  db: Db,
  hostId: number,
  log: Log,
  scope: Scope,
): Promise<(driver: Hypervisor) => Hypervisor> {
  if (!usesBridge(config)) return (driver) => driver
  const residents = await addressesInUse(db, hostId)
  const settings = firewallSettings(config)
  const keepers = [
    ...(config['internal.vm.network.firewall.enable']
      ? [await openFirewall(settings, residents, log, scope)]
      : []),
    ...(config['vm.network.use_dhcp'] ? [await openAddressServer(config, residents, log, scope)] : []),
  ]
  const { prefix } = settings
  const protectVms = config['internal.vm.network.firewall.enable'] && settings.protectVms
  return (driver) => fenced(driver, { keepers, prefix, protectVms })
}

/** Takes away what outlives hkd: the rules, and who gives addresses. Says what stays, and never throws. */
export async function closeFence(config: NodeValues, log: Log): Promise<void> {
  for (const close of [
    () => removeFirewall(config['internal.vm.name.prefix']),
    () => stopAddressServer(addressServerFolder(config)),
  ])
    await close().catch((error: unknown) => log.warn("something of the desktops' network stays", { error }))
}

async function openFirewall(
  settings: FirewallSettings,
  residents: readonly Resident[],
  log: Log,
  scope: Scope,
): Promise<Firewall> {
  const firewall = new Firewall(settings)
  await firewall.establish(residents)
  if (settings.natDevice !== undefined) letOut(settings.bridge, settings.natDevice, log)
  const timer = setInterval(() => {
    firewall.mend().then(
      (mended) => {
        if (mended) log.warn("the rules of the desktops' network were changed or removed, and made again")
      },
      (error: unknown) => log.error("the rules of the desktops' network could not be made again", { error }),
    )
  }, MEND_MS)
  scope.defer(() => clearInterval(timer))
  return firewall
}

async function openAddressServer(
  config: NodeValues,
  residents: readonly Resident[],
  log: Log,
  scope: Scope,
): Promise<AddressServer> {
  await run('dnsmasq', ['--version']).catch((cause: unknown) => {
    throw new Fault('node.missingProgram', { program: 'dnsmasq', packages: 'dnsmasq-base' }, { cause })
  })
  const settings = {
    folder: addressServerFolder(config),
    hostsFile: config['internal.vm.network.dhcp-hostsfile'],
    logFile: join(config['path.log'], 'dnsmasq.log'),
    bridge: config['vm.network.bridge'],
    subnet: subnetOf(config),
    start: config['vm.network.ip.start'],
    macPrefix: config['vm.network.mac.prefix'],
    domain: config['vm.network.domain'],
  }
  mkdirSync(config['path.log'], { recursive: true, mode: 0o755 })
  return scope.own(new AddressServer(settings, residents, log))
}

function addressServerFolder(config: NodeValues): string {
  return join(config['path.run'], 'dnsmasq')
}

/** Desktops without the bridge need neither rules nor addresses. */
function usesBridge(config: NodeValues): boolean {
  const driver: string = config['vm.hypervisor']
  return driver !== 'process' && driver !== 'simulated'
}

function firewallSettings(config: NodeValues): FirewallSettings {
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
