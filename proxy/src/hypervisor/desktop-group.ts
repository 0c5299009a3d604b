import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { DiskLimit } from './disk-limits.ts'
import { type CgroupLayout, cgroupNames, removeGroup } from './lxc/cgroup.ts'

/** What all processes of a desktop together may take of their node. */
export interface GroupLimits {
  readonly memoryMb: number
  /** Hundredths of a core. */
  readonly cpuPercent: number
  readonly processes: number
  /** Of disks (disk-limits.ts); where they are missing nothing is limited. */
  readonly disks?: readonly DiskLimit[]
}

const CPU_PERIOD_US = 100_000
const CONTROLLERS = ['memory', 'cpu', 'pids']
/** What keeps limits of disks, by version. */
const OF_DISKS = { 1: 'blkio', 2: 'io' } as const

/**
 * Makes the control groups of a desktop, with its limits, and puts processes with all of their threads into them: out of
 * whatever group we were started in, since what ends that group must not end them.
 * @throws Error of the file system when a limit cannot be set.
 */
export function enterGroup(
  layout: CgroupLayout,
  name: string,
  limits: GroupLimits,
  pids: readonly number[],
): void {
  const { payload } = cgroupNames(name)
  const limited = limitedHierarchies(layout, limits)
  const others = layout.hierarchies.filter((path) => !limited.includes(path))
  for (const hierarchy of others) leaveOurs(join(hierarchy, payload), pids)
  for (const hierarchy of limited) {
    const group = join(hierarchy, payload)
    mkdirSync(group, { recursive: true })
    if (layout.version === 2) passOnControllers(hierarchy, payload, controllersFor(2, limits))
    for (const [file, value] of limitFiles(layout.version, limits))
      if (layout.version === 2 || file.startsWith(`${basename(hierarchy)}.`))
        writeFileSync(join(group, file), value)
    for (const pid of pids) writeFileSync(join(group, 'cgroup.procs'), String(pid))
  }
}

/** What is none of a desktop's and must outlive us all the same is in this group. */
const APART = 'ostler-apart'

/** Takes a process out of whatever group we were started in: what ends that group must not end it. */
export function setApart({ hierarchies }: CgroupLayout, pid: number): void {
  for (const hierarchy of hierarchies) leaveOurs(join(hierarchy, APART), [pid])
}

/** Removes the group of those that were set apart when there are none any more. */
export function tidyApart({ hierarchies }: CgroupLayout): void {
  for (const hierarchy of hierarchies) removeGroup(join(hierarchy, APART))
}

/** A hierarchy that does not take them (cpuset without processors, one without controllers) is left. */
function leaveOurs(group: string, pids: readonly number[]): void {
  try {
    mkdirSync(group, { recursive: true })
    for (const pid of pids) writeFileSync(join(group, 'cgroup.procs'), String(pid))
  } catch {
    removeGroup(group)
    removeGroup(dirname(group))
  }
}

/** Hierarchies of version 1 have a controller each, or two (`cpu,cpuacct`, which has links beside it). */
function limitedHierarchies({ version, hierarchies }: CgroupLayout, limits: GroupLimits): readonly string[] {
  if (version === 2) return hierarchies
  const controllers = controllersFor(version, limits)
  return hierarchies.filter((path) => controllers.includes(basename(path)))
}

function controllersFor(version: 1 | 2, { disks = [] }: GroupLimits): readonly string[] {
  return disks.length === 0 ? CONTROLLERS : [...CONTROLLERS, OF_DISKS[version]]
}

/** A group of version 2 has the controllers that all above it pass on. */
function passOnControllers(root: string, group: string, controllers: readonly string[]): void {
  let above = root
  for (const part of group.split('/')) {
    writeFileSync(join(above, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '))
    above = join(above, part)
  }
}

function limitFiles(
  version: 1 | 2,
  { memoryMb, cpuPercent, processes, disks = [] }: GroupLimits,
): (readonly [string, string])[] {
  const memory = String(memoryMb * 2 ** 20)
  const quota = String(Math.round((cpuPercent * CPU_PERIOD_US) / 100))
  return version === 2
    ? [
        ['memory.max', memory],
        ['cpu.max', `${quota} ${CPU_PERIOD_US}`],
        ['pids.max', String(processes)],
        ...disks,
      ]
    : [
        ['memory.limit_in_bytes', memory],
        ['cpu.cfs_period_us', String(CPU_PERIOD_US)],
        ['cpu.cfs_quota_us', quota],
        ['pids.max', String(processes)],
        ...disks,
      ]
}
