import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type CgroupLayout, removeGroup } from './lxc/cgroup.ts'

/**
 * Moves a process and its children into a control group of their own, out of whatever group they were started in:
 * what ends that group must not end them. A hierarchy that does not take them (cpuset without processors) is left.
 */
export function moveToOwnGroup(layout: CgroupLayout, name: string, pid: number): void {
  for (const hierarchy of layout.hierarchies) {
    const group = join(hierarchy, 'ostler', name)
    try {
      mkdirSync(group, { recursive: true })
      // The parent first: whom it starts from now on is born in the group.
      for (const member of [pid, ...childrenOf(pid)])
        writeFileSync(join(group, 'cgroup.procs'), String(member))
    } catch {
      removeWithParent(group)
    }
  }
}

/** Removes a group that `moveToOwnGroup` made, when nobody is in it any more. */
export function removeOwnGroup(layout: CgroupLayout, name: string): void {
  for (const hierarchy of layout.hierarchies) removeWithParent(join(hierarchy, 'ostler', name))
}

function removeWithParent(group: string): void {
  removeGroup(group)
  removeGroup(dirname(group))
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
