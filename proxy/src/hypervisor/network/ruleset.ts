import { Fault } from '@ostler/contract/fault.ts'
import { formatAddress, macOf, networkOf, parseAddress, type Subnet } from '../../model/address.ts'
import type { NetworkRates } from '../../model/network-rates.ts'

/** What the rules of a node's desktops are made of (compatibility page 7.6). */
export interface FirewallSettings {
  /** Begins the names of the desktops' network devices on the node; the rules bind to it. */
  readonly prefix: string
  readonly bridge: string
  readonly subnet: Subnet
  /** The first address of a desktop; those below are nodes'. */
  readonly start: string
  readonly macPrefix: string
  /** Desktops open nothing to nodes but DHCP and DNS. */
  readonly protectHost: boolean
  /** Desktops do not reach each other. */
  readonly protectVms: boolean
  /** The port of the door where desktops may sign in there, and ping. */
  readonly loginPort: number | undefined
  /** The device by which desktops reach the world, behind the node's address. */
  readonly natDevice: string | undefined
}

/** A desktop that runs here. */
export interface Resident {
  readonly id: number
  readonly address: string
  /** Kilobits (1000 bits) per second that it may receive and send; where they are missing, any number. */
  readonly rates?: NetworkRates | undefined
}

/** A device's name has at most 15 bytes: this many are left for a desktop's number. */
const MAX_PREFIX = 8

/** The name of our tables; nobody else's are touched. */
export function tableName(prefix: string): string {
  return `ostler_${prefix.replace(/\W/g, '_').replace(/_+$/, '')}`
}

/** What takes our tables away, whether they are there or not. */
export function emptyRuleset(prefix: string): string {
  const table = tableName(prefix)
  return ['bridge', 'ip']
    .map((family) => `table ${family} ${table} {}\ndelete table ${family} ${table}\n`)
    .join('')
}

/**
 * Everything that nft is told, as one transaction: the tables are replaced whole.
 *
 * What comes from a desktop's device passes only from the device, the hardware address and the address that belong
 * together. Who is not listed sends nothing, so a desktop is listed before it boots.
 * @throws Fault `config.invalid` for settings that cannot be a rule's.
 */
export function ruleset(settings: FirewallSettings, residents: readonly Resident[]): string {
  refuseUnsafe(settings)
  const table = tableName(settings.prefix)
  return `${emptyRuleset(settings.prefix)}
table bridge ${table} {
  set ports {
    type ifname . ether_addr
    ${elements(residents.map((one) => port(settings, one)))}
  }
  set desktops {
    type ifname . ether_addr . ipv4_addr
    ${elements(residents.map((one) => `${port(settings, one)} . ${one.address}`))}
  }
  chain arp_of_desktop {
    arp htype 1 arp ptype ip arp hlen 6 arp plen 4 iifname . arp saddr ether . arp saddr ip @desktops accept
    arp operation request arp saddr ip 0.0.0.0 iifname . arp saddr ether @ports accept
    drop
  }
  chain of_desktop {
    iifname . ether saddr != @ports drop
    ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop
    ether type arp goto arp_of_desktop
    ether type != ip drop
    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
    iifname . ether saddr . ip saddr != @desktops drop
    udp sport 67 drop
  }
  chain prerouting {
    type filter hook prerouting priority -310; policy accept;
    iifname "${settings.prefix}*" jump of_desktop
    ${lines(limits(settings, residents, 'iifname', 'outKbit'))}
  }
  chain postrouting {
    type filter hook postrouting priority -310; policy accept;
    ${lines(limits(settings, residents, 'oifname', 'inKbit'))}
  }
  chain forward {
    type filter hook forward priority -310; policy accept;
    iifname != "${settings.prefix}*" accept
    ${lines(bridged(settings))}
  }
}
table ip ${table} {
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname != "${settings.bridge}" accept
    ${lines(toThisNode(settings))}
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    ${lines(routed(settings))}
  }
  ${settings.natDevice === undefined ? '' : masquerade(settings, settings.natDevice)}
}
`
}

/** So much passes at once, however slow the rest is: fewer would hold back what a connection begins with. */
const LEAST_BURST_BYTES = 65_536

/** What is more than a desktop may receive, or send, goes nowhere. ARP passes before it comes here. */
function limits(
  { prefix }: FirewallSettings,
  residents: readonly Resident[],
  device: 'iifname' | 'oifname',
  way: keyof NetworkRates,
): string[] {
  return residents.flatMap(({ id, rates }) => {
    const kbit = rates?.[way] ?? null
    if (kbit === null) return []
    const bytes = kbit * 125
    const burst = Math.max(LEAST_BURST_BYTES, Math.floor(bytes / 4))
    return [`${device} "${prefix}${id}" limit rate over ${bytes} bytes/second burst ${burst} bytes drop`]
  })
}

/** Between devices of the bridge. It knows no connections, so the first packet of one is what is looked for. */
function bridged({ prefix, protectVms, protectHost, loginPort, ...settings }: FirewallSettings): string[] {
  const { nodes, desktops } = ranges(settings)
  const others = nodes === undefined || !protectHost ? [] : [nodes]
  return [
    ...(protectVms ? [`oifname "${prefix}*" drop`, `ip daddr ${desktops} drop`] : []),
    ...others.flatMap((range) => [
      ...login(loginPort).map((what) => `ip daddr ${range} ${what}`),
      `ip daddr ${range} tcp flags & (syn | ack) == syn drop`,
      `ip daddr ${range} ip protocol != tcp drop`,
    ]),
  ]
}

function toThisNode({ protectHost, loginPort, subnet }: FirewallSettings): string[] {
  if (!protectHost) return []
  return [
    'ct state established,related accept',
    'udp sport 68 udp dport 67 accept',
    `ip daddr ${subnet.gateway} meta l4proto { tcp, udp } th dport 53 accept`,
    ...login(loginPort),
    'drop',
  ]
}

/** What a node sends on as a router, and what its bridge does where the kernel shows that to these rules as well. */
function routed(settings: FirewallSettings): string[] {
  const { bridge, protectVms, protectHost, natDevice, loginPort } = settings
  const { nodes, desktops } = ranges(settings)
  const toNodes = `iifname "${bridge}" ip daddr ${nodes}`
  return [
    ...(protectVms ? [`ip saddr ${desktops} ip daddr ${desktops} drop`] : []),
    'ct state established,related accept',
    ...(protectHost && nodes !== undefined
      ? [...login(loginPort).map((what) => `${toNodes} ${what}`), `${toNodes} drop`]
      : []),
    ...(natDevice === undefined ? [] : [`iifname "${natDevice}" oifname "${bridge}" drop`]),
  ]
}

/** What signing in from a desktop takes. */
function login(port: number | undefined): string[] {
  return port === undefined ? [] : [`tcp dport ${port} accept`, 'icmp type echo-request accept']
}

function masquerade({ subnet }: FirewallSettings, device: string): string {
  const { first } = networkOf(subnet)
  return `chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${device}" ip saddr ${formatAddress(first)}/${subnet.prefix} masquerade
  }`
}

function ranges({ subnet, start }: Pick<FirewallSettings, 'subnet' | 'start'>): {
  nodes: string | undefined
  desktops: string
} {
  const { first, last } = networkOf(subnet)
  const from = parseAddress(start)
  return {
    nodes: from === first ? undefined : `${formatAddress(first)}-${formatAddress(from - 1)}`,
    desktops: `${formatAddress(from)}-${formatAddress(last)}`,
  }
}

function port({ prefix, macPrefix }: FirewallSettings, { id, address }: Resident): string {
  return `"${prefix}${id}" . ${macOf(macPrefix, address)}`
}

function elements(list: readonly string[]): string {
  return list.length === 0 ? '' : `elements = { ${list.join(', ')} }`
}

function lines(list: readonly string[]): string {
  return list.join('\n    ')
}

/** What stands in a rule must not begin another one. */
function refuseUnsafe({ prefix, bridge, natDevice, macPrefix, subnet, start }: FirewallSettings): void {
  const isDevice = (name: string): boolean => /^[\w.-]{1,15}$/.test(name)
  const { first, last } = networkOf(subnet)
  const problems = [
    isDevice(prefix) && prefix.length <= MAX_PREFIX
      ? []
      : `internal.vm.name.prefix is no beginning of a device's name of at most ${MAX_PREFIX} characters`,
    isDevice(bridge) ? [] : "vm.network.bridge is no device's name",
    natDevice === undefined || isDevice(natDevice) ? [] : "vm.network.firewall.nat.iface is no device's name",
    /^([\da-f]{2}:){2}[\da-f]{2}$/i.test(macPrefix) ? [] : 'vm.network.mac.prefix is not three octets',
    parseAddress(start) >= first && parseAddress(start) < last
      ? []
      : 'vm.network.ip.start is not in the network',
    bridge.startsWith(prefix) ? 'vm.network.bridge begins like the devices of desktops' : [],
  ].flat()
  if (problems.length > 0) throw new Fault('config.invalid', { problems: problems.join('\n') })
}
