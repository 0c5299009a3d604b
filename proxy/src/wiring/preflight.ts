import { Fault } from '@ostler/contract/fault.ts'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CgroupLayout, cgroupLayout } from '../hypervisor/lxc/cgroup.ts'

const PROGRAMS: Readonly<Record<string, string>> = {
  'lxc-start': 'lxc',
  'lxc-stop': 'lxc',
  ip: 'iproute2',
  setpriv: 'util-linux',
  tar: 'tar',
}
const SEARCH_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/**
 * Checks everything that a node needs of its machine before anything is made.
 * @throws Fault `node.*`, the first that is found.
 */
export function preflight(program: string): CgroupLayout {
  if (process.getuid?.() !== 0) throw new Fault('node.notRoot', { program })
  for (const [name, packages] of Object.entries(PROGRAMS))
    if (!SEARCH_PATH.some((folder) => existsSync(join(folder, name))))
      throw new Fault('node.missingProgram', { program: name, packages })
  if (!readFileSync('/proc/filesystems', 'utf8').includes('overlay'))
    throw new Fault('node.missingFeature', {
      feature: 'overlay file system',
      cure: 'Load the module overlay, or use a kernel with CONFIG_OVERLAY_FS.',
    })
  const cgroups = cgroupLayout()
  if (cgroups === undefined)
    throw new Fault('node.missingFeature', {
      feature: 'control groups for memory',
      cure: 'Mount /sys/fs/cgroup, or boot without cgroup_disable=memory.',
    })
  return cgroups
}
