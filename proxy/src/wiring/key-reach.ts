import { AUTH_OPTIONS } from '../auth/options.ts'
import type { NODE_OPTIONS } from './node-config.ts'

type Service = 'hkd' | 'l7r'

/** Where a key may be set beside the file of a node, and when it counts. */
export interface KeyReach {
  /** In the database; by each tenant, too. */
  readonly place: 'database' | 'tenant'
  /** Who must be started again before it counts; nobody: it counts at once. */
  readonly restart: readonly Service[]
}

const LIVE = [
  'hkd.vm.starting.max',
  'internal.hkd.max_heavy',
  'internal.hkd.agent.expiration_monitor.delay',
  'backup.at',
  'backup.keep',
  'internal.l7r.timeout.vm_start',
  'internal.l7r.timeout.vm_stop',
  'internal.l7r.short_session',
  'l7r.stream.idle',
  'l7r.stream.max',
  'l7r.keepalive',
  'l7r.log.requests',
  'l7r.session.auth_token',
] as const satisfies readonly (keyof typeof NODE_OPTIONS)[]

const AFTER_RESTART = {
  'l7r.address': ['l7r'],
  'l7r.port': ['l7r', 'hkd'],
  'l7r.use_ssl': ['l7r'],
  'l7r.options.SSL_version': ['l7r'],
  'l7r.options.SSL_cipher_list': ['l7r'],
  'l7r.client.cert.require': ['l7r'],
  'l7r.client.cert.accept': ['l7r'],
  'l7r.proxy_protocol.from': ['l7r'],
  'l7r.limit.connections_per_address': ['l7r'],
  'l7r.loadbalancer.plugin': ['hkd'],
  'l7r.loadbalancer.plugin.default.weight.ram': ['hkd'],
  'l7r.loadbalancer.plugin.default.weight.cpu': ['hkd'],
  'l7r.loadbalancer.plugin.default.weight.random': ['hkd'],
  'vm.hypervisor': ['hkd'],
  'vm.network.gateway': ['hkd', 'l7r'],
  'vm.network.netmask': ['hkd', 'l7r'],
  'vm.network.ip.start': ['hkd', 'l7r'],
  'vm.network.mac.prefix': ['hkd'],
  'vm.network.use_dhcp': ['hkd'],
  'vm.network.domain': ['hkd'],
  'vm.network.firewall.nat.iface': ['hkd'],
  'internal.vm.network.firewall.enable': ['hkd'],
  'internal.vm.network.firewall.protect_host': ['hkd'],
  'internal.vm.network.firewall.protect_vms': ['hkd'],
  'internal.vm.network.firewall.allow_login_from_vm': ['hkd'],
  'internal.vm.cgroup.memory_reserve': ['hkd'],
} as const satisfies Readonly<Partial<Record<keyof typeof NODE_OPTIONS, readonly Service[]>>>

/** Guards of the whole node: a door reads them from its file alone. */
const LIMITS = 'l7r.auth.limit.'

/**
 * Where a key of a node may be set beside its file; `undefined`: nowhere. What a node runs as root, where it writes, whom it
 * runs as and what it is called are never the database's to say: whoever may write a row there would be root here.
 */
export function reachOf(key: string): KeyReach | undefined {
  if (Object.hasOwn(AUTH_OPTIONS, key))
    return key.startsWith(LIMITS) || key.startsWith('path.') ? undefined : { place: 'tenant', restart: [] }
  if ((LIVE as readonly string[]).includes(key)) return { place: 'database', restart: [] }
  const restart = (AFTER_RESTART as Readonly<Record<string, readonly Service[]>>)[key]
  return restart === undefined ? undefined : { place: 'database', restart }
}
