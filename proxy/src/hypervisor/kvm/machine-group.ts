import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type CgroupLayout, cgroupNames } from '../lxc/cgroup.ts'

/** What a machine may take of its node, QEMU's own share included. */
export interface MachineLimits {
  readonly memoryMb: number
  /** Hundredths of a core. */
  readonly cpuPercent: number
}

/** What QEMU takes beside the guest's memory: pictures, buffers, translated code. */
const OVERHEAD_MB = 512
const CPU_PERIOD_US = 100_000
/** Threads of one QEMU: processors, disks, SPICE. */
const MAX_THREADS = 1_024
const CONTROLLERS = ['memory', 'cpu', 'pids']

/**
 * Makes the control groups of a machine, with its limits, and puts a process with all of its threads into them.
 * @throws Error of the file system when a limit cannot be set.
 */
export function enterMachineGroup(
  layout: CgroupLayout,
  name: string,
  limits: MachineLimits,
  pid: number,
): void {
  const { payload } = cgroupNames(name)
  for (const hierarchy of limitedHierarchies(layout)) {
    const group = join(hierarchy, payload)
    mkdirSync(group, { recursive: true })
    if (layout.version === 2) passOnControllers(hierarchy, payload)
    for (const [file, value] of limitFiles(layout.version, limits))
      if (layout.version === 2 || file.startsWith(`${basename(hierarchy)}.`))
        writeFileSync(join(group, file), value)
    writeFileSync(join(group, 'cgroup.procs'), String(pid))
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

function limitFiles(version: 1 | 2, { memoryMb, cpuPercent }: MachineLimits): [string, string][] {
  const memory = String((memoryMb + OVERHEAD_MB) * 2 ** 20)
  const quota = String(Math.round((cpuPercent * CPU_PERIOD_US) / 100))
  const threads = String(MAX_THREADS)
  return version === 2
    ? [
        ['memory.max', memory],
        ['cpu.max', `${quota} ${CPU_PERIOD_US}`],
        ['pids.max', threads],
      ]
    : [
        ['memory.limit_in_bytes', memory],
        ['cpu.cfs_period_us', String(CPU_PERIOD_US)],
        ['cpu.cfs_quota_us', quota],
        ['pids.max', threads],
      ]
}
