import { Fault } from '@ostler/contract/fault.ts'
import {
  ConfigError,
  flag,
  integer,
  loadConfig,
  oneOf,
  optional,
  path,
  text,
  type Config,
  type Overrides,
  type Setting,
} from '@ostler/kit/config.ts'
import { logOptions } from '@ostler/kit/log/options.ts'
import { hostname } from 'node:os'
import { AUTH_OPTIONS } from '../auth/options.ts'
import { LAST_CONTAINER_USER } from '../hypervisor/lxc/user-range.ts'
import { parseTimeOfDay } from '../model/backup-time.ts'
import { parseNetworks } from '../l7r/listen/networks.ts'
import { HEALTH_OPTIONS } from './health-options.ts'
import { parseLoopback } from './loopback.ts'
import { parseMounts } from './storage.ts'
import { NOTIFY_OPTIONS } from './notify.ts'
import { TRACE_OPTIONS } from './traces.ts'
import { parseCiphers, parseTlsVersions } from '../l7r/listen/tls-words.ts'
import { DATABASE_OPTIONS } from './database-options.ts'
import { type KeyReach, reachOf } from './key-reach.ts'
import { type Finding, findingsOf } from './qvd-keys/findings.ts'
import { isKept, KEPT_DEFAULTS, translate, type Verdict, verdictOf } from './qvd-keys/verdict.ts'

/** Debian needs 65534, which is nobody. */
const LEAST_USERS = 65_536

/** The longest timer that there is, in whole days. */
const MAX_STREAM_SECONDS = 24 * 86_400

/** Keys of `node.conf`: QVD's names where QVD has them (compatibility page 10.2). */
export const NODE_OPTIONS = {
  nodename: text('name of this node in the database', hostname()),
  'path.run': path('run-time state', '/run/ostler'),
  'path.log': path('folder of the logs', '/var/log/ostler'),
  'path.state': path('what the services must keep: keys and certificates', '/var/lib/ostler'),
  'path.database': path('data of the private PostgreSQL', '${path.state}/postgres'),
  'path.postgresql': path("folder with PostgreSQL's programs, VERSION/bin each", '/usr/lib/postgresql'),
  'path.backup': path("backups of the database, root's alone", '${path.state}/backup'),
  'path.uploads': path(
    "files of disk images that come through the api, the api's alone",
    '${path.state}/uploads',
  ),
  'path.storage.root': path('images, overlays and homes', '${path.state}/storage'),
  'path.storage.staging': path('disk images that wait to be added', '${path.storage.root}/staging'),
  'path.storage.images': path('disk images that were added from there', '${path.storage.root}/images'),
  'path.storage.basefs': path('unpacked disk images', '${path.storage.root}/basefs'),
  'path.storage.overlayfs': path('overlays of containers', '${path.storage.root}/overlayfs'),
  'path.storage.overlays': path('overlays of virtual machines', '${path.storage.root}/overlays'),
  'path.storage.homefs': path('homes of the users', '${path.storage.root}/homefs'),
  'storage.homefs.mounted': flag(
    'path.storage.homefs is a mount: no desktop starts while nothing is mounted there',
    false,
  ),
  'storage.homefs.shared': flag('path.storage.homefs is the same storage on every node', false),
  'storage.trash.days': integer('days that a home stays in the trash', 30, 0, 36_500),
  'storage.reserve.mb': integer(
    'MB that must be free below every storage folder for a desktop to start; 0: any',
    1024,
    0,
    1_000_000_000,
  ),
  'storage.reserve.percent': integer('the same in percent, of bytes and of inodes; 0: any', 1, 0, 99),
  'storage.mounts': {
    default: '',
    summary: 'folders, with : between them, that must be mounted for a desktop to start',
    parse: parseMounts,
  },
  'path.run.lxc': path('configuration of the containers', '${path.run}/lxc'),
  'path.agent.bundle': path('the agent for images that do not carry it', '/usr/lib/ostler/agent'),
  'path.web': path('the pages', '/usr/lib/ostler/web'),
  ...logOptions({ filename: '' }),
  'l7r.address': text('address the door listens on; *: all', '*'),
  'l7r.port': integer('port of the door', 8443, 1, 65_535),
  'l7r.hop.address': text(
    "name or address by which doors of other nodes reach this one; empty: l7r.address, or nodename where that is '*'",
    '',
  ),
  'l7r.use_ssl': flag('TLS at the door; 0: plain HTTP, for a balancer that has ended TLS', true),
  'l7r.options.SSL_version': {
    default: 'TLSv1_2:TLSv1_3',
    summary: 'versions of TLS',
    parse: parseTlsVersions,
  },
  'l7r.options.SSL_cipher_list': {
    default: '',
    summary: "ciphers in OpenSSL's words; empty: a good choice",
    parse: parseCiphers,
  },
  'l7r.client.cert.require': flag('let nobody in without a client certificate', false),
  'l7r.client.cert.accept': flag('ask for a client certificate, and let others in as well', false),
  'l7r.proxy_protocol.from': {
    default: '',
    summary: 'addresses and networks of balancers, which must speak the PROXY protocol, version 1 or 2',
    parse: parseNetworks,
  },
  'l7r.limit.connections_per_address': integer(
    'connections of one client address; 0: any',
    256,
    0,
    1_000_000,
  ),
  'l7r.keepalive': integer(
    'seconds of silence after which the door asks whether a client is still there; 0: never',
    30,
    0,
    3_600,
  ),
  'l7r.log.requests': flag('one line of the log for each request at the door', true),
  'l7r.metrics.listen': {
    default: '',
    summary:
      "loopback ADDRESS:PORT where the door's metrics are served to everybody on this node; empty: nowhere",
    parse: parseLoopback,
  },
  'hkd.metrics.listen': {
    default: '',
    summary: "the same for hkd's metrics",
    parse: parseLoopback,
  },
  'hkd.peer.address': text(
    'name or address by which hkds of other nodes ask this one, and where it listens; empty: nodename, on all addresses',
    '',
  ),
  'hkd.peer.port': integer('port where they do; open only where the database is shared', 8444, 1, 65_535),
  'l7r.workers': integer('processes that serve the door; 0: one per core', 0, 0, 256),
  'l7r.stream.idle': integer(
    'seconds without a byte after which a stream ends; 0: any',
    0,
    0,
    MAX_STREAM_SECONDS,
  ),
  'l7r.stream.max': integer('seconds after which a stream ends; 0: any', 0, 0, MAX_STREAM_SECONDS),
  'l7r.session.auth_token': flag(
    'a desktop gets a token with which its programs come in as its user while somebody sits there',
    false,
  ),
  'l7r.as_user': text('system user of the door', 'ostler'),
  'path.l7r.ssl.key': path(
    'key of the door; made with a self-signed certificate when missing',
    '${path.state}/l7r/key.pem',
  ),
  'path.l7r.ssl.cert': path('certificate of the door', '${path.state}/l7r/cert.pem'),
  'path.l7r.ssl.ca': optional(path('authorities of client certificates')),
  'path.l7r.ssl.crl': optional(path('their lists of revoked certificates; empty: nothing is revoked')),
  ...AUTH_OPTIONS,
  'internal.l7r.timeout.vm_start': integer('seconds a user waits for a start', 270, 1, 3600),
  'internal.l7r.timeout.vm_stop': integer('seconds a user waits for a stop', 270, 1, 3600),
  'internal.l7r.ticket_key': integer(
    'seconds until a new key for TLS session tickets; the last three are good',
    14_400,
    1,
    604_800,
  ),
  'internal.l7r.short_session': integer('seconds below which a session counts as short', 120, 0, 86_400),
  'internal.hkd.agent.expiration_monitor.delay': integer(
    'seconds between two notices to a user that her desktop expires',
    3600,
    1,
    604_800,
  ),
  ...DATABASE_OPTIONS,
  'database.as_user': text('system user of the private PostgreSQL', 'ostler-postgres'),
  'api.as_user': text('system user of the api', 'ostler-api'),
  'api.admin_group': text(
    "group whose members administer by the api's socket, if the api's user is in it",
    'ostler-admin',
  ),
  'api.address': text(
    'address where the api is served over TLS, to those who have a token; *: all; empty: nowhere',
    '',
  ),
  'api.port': integer('port of the api', 9443, 1, 65_535),
  'path.api.ssl.key': path(
    'key of the api; made with a self-signed certificate when missing',
    '${path.state}/api/key.pem',
  ),
  'path.api.ssl.cert': path('certificate of the api', '${path.state}/api/cert.pem'),
  'backup.at': {
    default: '03:15',
    summary: 'time of day, HH:MM, of the nightly backup of the database; empty: none',
    parse: (text: string) => (text === '' ? undefined : parseTimeOfDay(text)),
  },
  'backup.keep': integer('verified backups that are kept', 14, 1, 10_000),
  ...HEALTH_OPTIONS,
  ...NOTIFY_OPTIONS,
  ...TRACE_OPTIONS,
  'l7r.loadbalancer.plugin': oneOf(
    "what chooses the nodes of desktops: most memory left, QVD's weights (default), a user's desktops together, a file of yours (site)",
    ['least-loaded', 'default', 'affinity', 'site'],
    'least-loaded',
  ),
  'l7r.loadbalancer.plugin.default.weight.ram': integer(
    "what QVD's balancer makes of a node's MB",
    1,
    0,
    1_000_000,
  ),
  'l7r.loadbalancer.plugin.default.weight.cpu': integer('and of its bogomips', 1, 0, 1_000_000),
  'l7r.loadbalancer.plugin.default.weight.random': integer('and of chance', 1, 0, 1_000_000),
  'path.hkd.balancer': optional(path("file with a site's own balancer (docs/nodes.md), root's alone")),
  'hkd.vm.starting.max': integer('desktops that may be on their way up at once', 6, 1, 1_000),
  'internal.hkd.max_heavy': integer('disk images that are unpacked at once', 2, 1, 100),
  'vm.hypervisor': oneOf(
    'what runs the desktops of this node whose flavour names nothing',
    ['lxc', 'process', 'simulated'],
    'lxc',
  ),
  'vm.simulated.rules': optional(path('driver simulated: file that says how its machines behave')),
  'vm.process.uid.first': integer(
    'driver process: user number of the first person; the others follow by their numbers',
    2_000_000,
    1_000,
    2_000_000_000,
  ),
  'vm.lxc.userns': flag("root of a container is nobody on the node; 0: it is the node's root, fenced", true),
  'vm.lxc.uid.first': integer(
    'first number on the node for users of containers; nobody else has such numbers',
    655_360_000,
    65_536,
    LAST_CONTAINER_USER - LEAST_USERS,
  ),
  'vm.lxc.uid.count': integer(
    'users of each container: those inside have lower numbers',
    LEAST_USERS,
    LEAST_USERS,
    16_777_216,
  ),
  'vm.network.bridge': text('bridge of the desktops', 'ostler0'),
  'vm.network.gateway': text('address of the node on the bridge', '10.3.15.1'),
  'vm.network.netmask': text('netmask of the bridge', '255.255.255.0'),
  'vm.network.ip.start': text('lowest address of a desktop; those below are of nodes', '10.3.15.10'),
  'vm.network.mac.prefix': text('first three octets of hardware addresses', '54:52:00'),
  'vm.network.use_dhcp': flag(
    'give desktops their addresses by DHCP, and answer their questions of DNS',
    true,
  ),
  'vm.network.domain': text('domain that DHCP tells desktops; empty: none', ''),
  'internal.vm.network.dhcp-hostsfile': path('what DHCP gives to whom', '${path.run}/dhcp-hostsfile'),
  'vm.network.firewall.nat.iface': optional(
    text("device by which desktops reach the world behind the node's address; empty: not at all"),
  ),
  'internal.vm.network.firewall.enable': flag('filter what desktops send, by nftables', true),
  'internal.vm.network.firewall.protect_host': flag('desktops open nothing to nodes but DHCP and DNS', true),
  'internal.vm.network.firewall.protect_vms': flag('desktops do not reach each other', true),
  'internal.vm.network.firewall.allow_login_from_vm': flag(
    'desktops may open the door, and ping nodes',
    false,
  ),
  'internal.vm.name.prefix': text('begins the names of containers and network devices', 'ostler-'),
  'command.kvm': text('QEMU, which runs virtual machines', 'qemu-system-x86_64'),
  'internal.vm.kvm.uid_start': integer(
    "virtual machines run as users with this number and the desktop's; nobody else has such numbers",
    1_900_000_000,
    1_000,
    4_000_000_000,
  ),
  'internal.vm.cgroup.memory_reserve': integer('MB of the node that no desktop gets', 512, 0, 1_000_000),
} as const

export type NodeConfig = Config<typeof NODE_OPTIONS>
export type NodeValues = NodeConfig['values']

export const DEFAULT_NODE_CONF = '/etc/ostler/node.conf'

/** Plugins of a site have keys of their own. */
const SITE_PREFIX = 'l7r.auth.plugin.'

/**
 * Reads the node's configuration. A `node.conf` of QVD's is one, too: keys that only QVD has are kept, and what they say in
 * our words counts (qvd-keys/).
 * @param overrides keys that win over the file, such as those of the database.
 * @throws Fault `config.invalid` with every problem.
 */
export function loadNodeConfig(file: string, overrides: Overrides = {}): NodeConfig {
  try {
    const files = [{ path: file, required: file !== DEFAULT_NODE_CONF }]
    const collect = ['log4perl.', SITE_PREFIX]
    return loadConfig(NODE_OPTIONS, files, overrides, {
      ...{ collect, translate },
      kept: KEPT_DEFAULTS,
      isKnown: isKept,
    })
  } catch (error) {
    if (error instanceof ConfigError)
      throw new Fault('config.invalid', { problems: error.problems.join('\n') }, { cause: error })
    throw error
  }
}

/** A node's configuration with other keys laid over its file. */
export interface NodeConfigSource {
  readonly keys: readonly string[]
  /** What becomes of a key that a configuration sets. */
  readonly verdict: (key: string) => Verdict
  /** What a key that only QVD has says in our words. */
  readonly translate: typeof translate
  /** What there is to say about keys that are set. */
  readonly findings: (set: Parameters<typeof findingsOf>[1]) => readonly Finding[]
  /** Where a key may be set beside the file; `undefined`: nowhere. */
  readonly reach: (key: string) => KeyReach | undefined
  /** @throws Fault `config.invalid`. */
  over(overrides: Overrides): LaidConfig
}

/** A file with other keys laid over it. */
export interface LaidConfig {
  /** Keys that are the file's alone have what the file says. */
  readonly values: NodeValues
  /** A known key's value as text. */
  text(key: string): string
  /** Keys of a site's plugins, as text. */
  readonly texts: ReadonlyMap<string, string>
  /** Every key that has a value. */
  readonly all: readonly string[]
  /** The value of any of them, and where it came from. */
  readonly find: (key: string) => Setting | undefined
}

export function nodeConfigSource(file: string): NodeConfigSource {
  const keys = Object.keys(NODE_OPTIONS)
  const verdict = (key: string): Verdict => verdictOf(key, keys)
  return {
    ...{ keys, verdict, translate },
    findings: (set) => findingsOf(verdict, set),
    reach: reachOf,
    over: (overrides) => {
      const own = loadNodeConfig(file)
      const config = loadNodeConfig(file, overrides)
      const isOwn = (key: string): boolean => keys.includes(key) && reachOf(key) === undefined
      const inFile = config.collected.map(({ key, value }) => [key, value] as const)
      const inDatabase = Object.keys(overrides)
        .filter((key) => key.startsWith(SITE_PREFIX))
        .map((key) => [key, config.find(key)?.value ?? ''] as const)
      const find = (key: string): Setting | undefined => (isOwn(key) ? own : config).find(key)
      const kept = keys.filter(isOwn).map((key) => [key, own.values[key as keyof NodeValues]] as const)
      return {
        values: { ...config.values, ...Object.fromEntries(kept) },
        text: (key) => find(key)?.value ?? '',
        texts: new Map([...inFile, ...inDatabase]),
        all: config.keys,
        find,
      }
    },
  }
}
