import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type CgroupLayout, cgroupNames, removeGroup } from './lxc/cgroup.ts'

/** What all processes of a desktop together may take of their node. */
export interface GroupLimits {
  readonly memoryMb: number
  /** Hundredths of a core. */
  readonly cpuPercent: number
  readonly processes: number
}

const CPU_PERIOD_US = 100_000
const CONTROLLERS = ['memory', 'cpu', 'pids']

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
  for (const hierarchy of otherHierarchies(layout)) leaveOurs(join(hierarchy, payload), pids)
  for (const hierarchy of limitedHierarchies(layout)) {
    const group = join(hierarchy, payload)
    mkdirSync(group, { recursive: true })
    if (layout.version === 2) passOnControllers(hierarchy, payload)
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

function otherHierarchies(layout: CgroupLayout): readonly string[] {
  const limited = limitedHierarchies(layout)
  return layout.hierarchies.filter((path) => !limited.includes(path))
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
function limitedHierarchies({ version, hierarchies }: CgroupLayout): readonly string[] {
  return version === 2 ? hierarchies : hierarchies.filter((path) => CONTROLLERS.includes(basename(path)))
}

/** A group of version 2 has the controllers that all above it pass on. */
function passOnControllers(root: string, group: string): void {
  let above = root
  for (const part of group.split('/')) {
    writeFileSync(join(above, 'cgroup.subtree_control'), CONTROLLERS.map((name) => `+${name}`).join(' '))
    above = join(above, part)
  }
}

function limitFiles(version: 1 | 2, { memoryMb, cpuPercent, processes }: GroupLimits): [string, string][] {
  const memory = String(memoryMb * 2 ** 20)
  const quota = String(Math.round((cpuPercent * CPU_PERIOD_US) / 100))
  return version === 2
    ? [
        ['memory.max', memory],
        ['cpu.max', `${quota} ${CPU_PERIOD_US}`],
        ['pids.max', String(processes)],
      ]
    : [
        ['memory.limit_in_bytes', memory],
        ['cpu.cfs_period_us', String(CPU_PERIOD_US)],
        ['cpu.cfs_quota_us', quota],
        ['pids.max', String(processes)],
      ]
}
