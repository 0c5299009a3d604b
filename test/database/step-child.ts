import { silentLog } from '@ostler/kit/log.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { cgroupLayout } from '@ostler/proxy/hypervisor/lxc/cgroup.ts'
import { loadNodeConfig } from '@ostler/proxy/wiring/node-config.ts'
import { openNodeDatabase } from '@ostler/proxy/wiring/node-database.ts'

/** Starts a node's database as hkd does, to be killed meanwhile. */
const cgroups = cgroupLayout()
if (cgroups === undefined) throw new Error('this needs control groups')
await using scope = new Scope()
await openNodeDatabase(loadNodeConfig(process.argv[2] ?? '').values, cgroups, silentLog, scope)
