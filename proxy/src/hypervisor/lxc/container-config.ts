import { GUEST_BOOT_FOLDER, GUEST_BUNDLE_FOLDER, GUEST_DISPLAY_FOLDER } from '@ostler/contract/identity.ts'
import type { RunFolder } from '../../model/run-folder.ts'
import { cgroupNames, type CgroupLayout } from './cgroup.ts'

/** Everything that LXC is told about one desktop. */
export interface ContainerSetup {
  readonly container: string
  readonly hostname: string
  readonly lower: string
  readonly upper: string
  readonly home: string
  readonly run: RunFolder
  /** The agent's bundle on the node; `undefined` when the image carries the agent and an init. */
  readonly bundle: string | undefined
  /** True when the image has no /usr of its own and sees the node's, read-only. */
  readonly sharesUsr: boolean
  readonly network: {
    bridge: string
    veth: string
    mac: string
    address: string
    prefix: number
    gateway: string
  }
  readonly memoryMb: number
  readonly cpuPercent: number
  readonly cgroups: CgroupLayout
}

const CPU_PERIOD_US = 100_000
/** What root in a desktop may not do. */
const DROPPED = 'sys_module sys_time sys_boot mac_admin mac_override syslog sys_rawio'

/** Writes the configuration of a container. Paths hold no blanks: they come from numbers and checked names. */
export function containerConfig(setup: ContainerSetup): string {
  const { network, run } = setup
  const groups = cgroupNames(setup.container)
  const mounts = [
    ...(setup.sharesUsr
      ? ['/usr usr none ro,bind 0 0', 'tmpfs usr/local tmpfs ro,nosuid,nodev,mode=0755,size=4k 0 0']
      : []),
    'tmpfs run tmpfs nosuid,nodev,mode=0755,size=64m 0 0',
    'tmpfs dev/shm tmpfs nosuid,nodev,mode=1777,create=dir 0 0',
    `${setup.home} home none bind,create=dir 0 0`,
    `${run.boot} ${GUEST_BOOT_FOLDER.slice(1)} none ro,bind,create=dir 0 0`,
    `${run.display} ${GUEST_DISPLAY_FOLDER.slice(1)} none bind,create=dir 0 0`,
    ...(setup.bundle === undefined
      ? []
      : [`${setup.bundle} ${GUEST_BUNDLE_FOLDER.slice(1)} none ro,bind,create=dir 0 0`]),
  ]
  return [
    `lxc.uts.name = ${setup.hostname}`,
    `lxc.rootfs.path = overlay:${setup.lower}:${setup.upper}`,
    `lxc.init.cmd = ${setup.bundle === undefined ? '/sbin/init' : `${GUEST_BUNDLE_FOLDER}/ostler-init`}`,
    `lxc.signal.halt = ${setup.bundle === undefined ? 'SIGRTMIN+3' : 'SIGTERM'}`,
    // The desktop must outlive everything of ours, LXC's monitor included.
    'lxc.monitor.signal.pdeath = 0',
    'lxc.environment = container=lxc',
    'lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed',
    ...mounts.map((mount) => `lxc.mount.entry = ${mount}`),
    'lxc.autodev = 1',
    'lxc.tty.max = 0',
    'lxc.pty.max = 256',
    'lxc.console.path = none',
    `lxc.cap.drop = ${DROPPED}`,
    'lxc.net.0.type = veth',
    `lxc.net.0.veth.pair = ${network.veth}`,
    `lxc.net.0.link = ${network.bridge}`,
    'lxc.net.0.flags = up',
    'lxc.net.0.name = eth0',
    `lxc.net.0.hwaddr = ${network.mac}`,
    `lxc.net.0.ipv4.address = ${network.address}/${network.prefix}`,
    `lxc.net.0.ipv4.gateway = ${network.gateway}`,
    `lxc.cgroup.dir.container = ${groups.payload}`,
    `lxc.cgroup.dir.monitor = ${groups.monitor}`,
    `lxc.cgroup.dir.monitor.pivot = ${groups.pivot}`,
    ...limits(setup),
    '',
  ].join('\n')
}

function limits({ cgroups, memoryMb, cpuPercent }: ContainerSetup): string[] {
  const quota = (CPU_PERIOD_US / 100) * cpuPercent
  return cgroups.version === 2
    ? [
        `lxc.cgroup2.memory.max = ${memoryMb}M`,
        `lxc.cgroup2.cpu.max = ${quota} ${CPU_PERIOD_US}`,
        'lxc.cgroup2.pids.max = 4096',
      ]
    : [
        `lxc.cgroup.memory.limit_in_bytes = ${memoryMb}M`,
        `lxc.cgroup.cpu.cfs_period_us = ${CPU_PERIOD_US}`,
        `lxc.cgroup.cpu.cfs_quota_us = ${quota}`,
        'lxc.cgroup.pids.max = 4096',
      ]
}
