import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { cgroupLayout } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { mountsBelow, namesIn } from '../hypervisor/quiet-guest.ts'
import type { BrokenNode } from './broken-node.ts'

/** What a node that is gone has left behind: files, mounts, processes, devices, control groups. */
export function remains({ folder, world }: BrokenNode): string[] {
  const { prefix, bridge } = world.node.settings
  const groups = cgroupLayout()?.hierarchies ?? []
  return [
    ...(existsSync(folder) ? [`folder ${folder}`] : []),
    ...mountsBelow(folder),
    ...processesOf(folder),
    ...namesIn('device', '/sys/class/net', prefix),
    ...namesIn('device', '/sys/class/net', bridge),
    ...groups.flatMap((hierarchy) => namesIn('group', `${hierarchy}/ostler`, prefix)),
  ]
}

/** Whoever was started for the node names its folder. */
export function processesOf(folder: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
        return words.includes(folder) ? [`process ${pid}: ${words.slice(0, 100)}`] : []
      } catch {
        return []
      }
    })
}
