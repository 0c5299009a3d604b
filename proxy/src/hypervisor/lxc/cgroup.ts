import { identify } from '@ostler/kit/process-table.ts'
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Processes } from '../hypervisor.ts'

/** How this machine's control groups are mounted. */
export interface CgroupLayout {
  readonly version: 1 | 2
  /** Folders of all hierarchies, below each of which LXC makes a desktop's groups. */
  readonly hierarchies: readonly string[]
  /** The hierarchy in which a desktop's processes are counted. */
  readonly counted: string
}

/** Looks at `/sys/fs/cgroup`; `undefined` when no hierarchy can hold limits for memory and processes. */
export function cgroupLayout(root = '/sys/fs/cgroup'): CgroupLayout | undefined {
  const unified = join(root, 'cgroup.controllers')
  if (existsSync(unified) && readFileSync(unified, 'utf8').includes('memory'))
    return { version: 2, hierarchies: [root], counted: root }
  // A service manager makes folders for what the kernel does not have, too.
  const isHierarchy = (folder: string): boolean => existsSync(join(folder, 'cgroup.procs'))
  const hierarchies = listFolders(root)
    .map((name) => join(root, name))
    .filter(isHierarchy)
  const counted = join(root, 'memory')
  return existsSync(join(counted, 'cgroup.procs')) ? { version: 1, hierarchies, counted } : undefined
}

/** Names of a desktop's groups below a hierarchy: one of its own, never in the daemon's. */
export function cgroupNames(container: string): {
  root: string
  payload: string
  monitor: string
  pivot: string
} {
  const root = `ostler/${container}`
  return { root, payload: `${root}/payload`, monitor: `${root}/monitor`, pivot: `${root}/pivot` }
}

/** Process ids in a group and below. Empty when it does not exist, or ceases to while it is read. */
export function processesIn(group: string): number[] {
  const own = membersOf(group).split('\n').filter(Boolean).map(Number)
  return [...own, ...listFolders(group).flatMap((name) => processesIn(join(group, name)))]
}

/** A group's own members, a line each. LXC's monitor removes groups at any moment: ENOENT, or ENODEV when it is open. */
function membersOf(group: string): string {
  try {
    return readFileSync(join(group, 'cgroup.procs'), 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENODEV') return ''
    throw error
  }
}

/** Whether any process of a container lives (one that waits to be reaped does not); what cannot be read is unknown. */
export function observeGroup(layout: CgroupLayout, container: string): Processes {
  try {
    const group = join(layout.counted, cgroupNames(container).payload)
    return processesIn(group).some((pid) => identify(pid) !== undefined) ? 'present' : 'absent'
  } catch {
    return 'unknown'
  }
}

/** Kills every process of a container, its monitor included; those that appear meanwhile too. */
export function killGroup(layout: CgroupLayout, container: string): void {
  const { payload, monitor, pivot } = cgroupNames(container)
  for (let round = 0; round < 20; round++) {
    const pids = [payload, monitor, pivot].flatMap((name) => processesIn(join(layout.counted, name)))
    if (pids.length === 0) return
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // it has ended
      }
    }
  }
}

const REMOVE_TRIES = 100
const REMOVE_EVERY_MS = 10

/**
 * Removes a container's groups from all hierarchies. LXC's monitor lingers in its own for some milliseconds after
 * the container's end, so this tries for a second; what is busy even then is left for the next time.
 */
export async function removeGroups(layout: CgroupLayout, container: string): Promise<void> {
  const groups = layout.hierarchies.map((hierarchy) => join(hierarchy, cgroupNames(container).root))
  for (let tries = 0; tries < REMOVE_TRIES; tries++) {
    for (const group of groups) removeTree(group)
    if (!groups.some((group) => existsSync(group))) break
    await sleep(REMOVE_EVERY_MS)
  }
  for (const group of groups) removeGroup(dirname(group)) // when it was the last desktop
}

function removeTree(group: string): void {
  for (const name of listFolders(group)) removeTree(join(group, name))
  removeGroup(group)
}

/** Removes a group, if nobody and nothing is in it. */
export function removeGroup(group: string): void {
  try {
    rmdirSync(group)
  } catch {
    // something is left in it, or it never was
  }
}

function listFolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
  } catch {
    return []
  }
}
