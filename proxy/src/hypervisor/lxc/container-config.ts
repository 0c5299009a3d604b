import { Fault } from '@ostler/contract/fault.ts'
import { GUEST_BOOT_FOLDER, GUEST_BUNDLE_FOLDER, GUEST_DISPLAY_FOLDER } from '@ostler/contract/identity.ts'
import { existsSync } from 'node:fs'
import type { DiskLimit } from '../disk-limits.ts'
import { cgroupNames, type CgroupLayout } from './cgroup.ts'
import type { StagePlaces } from './stage.ts'
import type { UserRange } from './user-range.ts'

/** Everything that LXC is told about one desktop. */
export interface ContainerSetup {
  readonly container: string
  readonly hostname: string
  /** What of it was put together before LXC starts. */
  readonly stage: StagePlaces
  /** Who the guest's users are on the node; `undefined`: root is root. */
  readonly users: UserRange | undefined
  readonly network: {
    bridge: string
    veth: string
    mac: string
    address: string
    prefix: number
    gateway: string
  }
  /** The AppArmor profile; `undefined`: LXC's own choice. */
  readonly profile: string | undefined
  readonly memoryMb: number
  readonly cpuPercent: number
  readonly diskLimits: readonly DiskLimit[]
  readonly cgroups: CgroupLayout
}

const CPU_PERIOD_US = 100_000
/** null, zero, full, random, urandom, tty, console, ptmx, terminals, fuse. */
const DEVICES = [
  'c 1:3 rwm',
  'c 1:5 rwm',
  'c 1:7 rwm',
  'c 1:8 rwm',
  'c 1:9 rwm',
  'c 5:0 rwm',
  'c 5:1 rwm',
  'c 5:2 rwm',
  'c 136:* rwm',
  'c 10:229 rwm',
]
/** LXC's own list of system calls that no container needs, where the package brings it. */
const SECCOMP = '/usr/share/lxc/config/common.seccomp'
/** What root in a desktop may not do. */
const DROPPED = 'sys_module sys_time sys_boot mac_admin mac_override syslog sys_rawio mknod dac_read_search'

/**
 * Writes the configuration of a container.
 * @throws Fault `container.failed` for a value that would begin another line or field of it.
 */
export function containerConfig(setup: ContainerSetup): string {
  refuseUnsafe(setup)
  const { network, stage, users } = setup
  const groups = cgroupNames(setup.container)
  const mounts = [
    ...(stage.usr === undefined
      ? []
      : [`${stage.usr} usr none ro,bind 0 0`, 'tmpfs usr/local tmpfs ro,nosuid,nodev,mode=0755,size=4k 0 0']),
    'tmpfs run tmpfs nosuid,nodev,mode=0755,size=64m 0 0',
    'tmpfs dev/shm tmpfs nosuid,nodev,mode=1777,create=dir 0 0',
    `${stage.home} home none bind,nosuid,nodev,create=dir 0 0`,
    // The kernel lets a user namespace mount FUSE; the node's own rules make this device everybody's.
    '/dev/fuse dev/fuse none bind,create=file,optional 0 0',
    `${stage.boot} ${GUEST_BOOT_FOLDER.slice(1)} none ro,bind,nosuid,nodev,noexec,create=dir 0 0`,
    `${stage.display} ${GUEST_DISPLAY_FOLDER.slice(1)} none bind,nosuid,nodev,noexec,create=dir 0 0`,
    ...(stage.bundle === undefined
      ? []
      : [`${stage.bundle} ${GUEST_BUNDLE_FOLDER.slice(1)} none ro,bind,create=dir 0 0`]),
  ]
  return [
    `lxc.uts.name = ${setup.hostname}`,
    `lxc.rootfs.path = dir:${stage.root}`,
    ...(users === undefined
      ? []
      : ['u', 'g'].map((kind) => `lxc.idmap = ${kind} 0 ${users.first} ${users.count}`)),
    `lxc.init.cmd = ${stage.bundle === undefined ? '/sbin/init' : `${GUEST_BUNDLE_FOLDER}/ostler-init`}`,
    `lxc.signal.halt = ${stage.bundle === undefined ? 'SIGRTMIN+3' : 'SIGTERM'}`,
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
    ...(setup.profile === undefined ? [] : [`lxc.apparmor.profile = ${setup.profile}`]),
    ...(existsSync(SECCOMP) ? [`lxc.seccomp.profile = ${SECCOMP}`] : []),
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
    ...devices(setup.cgroups),
    ...limits(setup),
    ...setup.diskLimits.map(([file, line]) => `${groupPrefix(setup.cgroups)}.${file} = ${line}`),
    '',
  ].join('\n')
}

/** No device but these: a guest's root must not reach the node's disks. */
function devices(layout: CgroupLayout): string[] {
  const prefix = groupPrefix(layout)
  return [`${prefix}.devices.deny = a`, ...DEVICES.map((device) => `${prefix}.devices.allow = ${device}`)]
}

function groupPrefix({ version }: CgroupLayout): string {
  return version === 2 ? 'lxc.cgroup2' : 'lxc.cgroup'
}

/** A value with a blank or a line break would be read as more than one. */
function refuseUnsafe(setup: ContainerSetup): void {
  const { container, hostname, stage, network } = setup
  const { bridge, veth, mac, address, gateway } = network
  const paths = [stage.root, stage.home, stage.display, stage.boot, stage.bundle ?? '', stage.usr ?? '']
  const values = [container, hostname, bridge, veth, mac, address, gateway, ...paths]
  const unsafe = values.find((value) => !/^[\w./:@+-]*$/.test(value))
  if (unsafe !== undefined)
    throw new Fault('container.failed', {
      desktop: container,
      reason: `${unsafe} cannot stand in a configuration`,
    })
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
