import { comesToHold } from '@ostler/kit/poll.ts'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inTurn } from '../../proxy/src/hypervisor/in-turn.ts'
import { cgroupLayout, processesIn } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { lxcHypervisor } from '../../proxy/src/hypervisor/lxc/lxc.ts'
import { ensureBridge, removeBridge } from '../../proxy/src/hypervisor/lxc/network.ts'

/**
 * Run in the guest by its own Node: starts one container by the driver, and tells as JSON what the kernel says of it. Its only
 * argument is a folder to do it in.
 */
const folder = process.argv[2] ?? ''
const at = (name: string): string => join(folder, name)
const END_MS = 60_000

const cgroups = cgroupLayout()
if (cgroups === undefined) throw new Error('the guest has no control groups')
const network = { gateway: '10.3.99.1', prefix: 24, bridge: 'otest99', macPrefix: '54:52:00' }
mkdirSync(at('bundle'), { recursive: true })
const init = '#!/bin/sh\ntrap "exit 0" TERM INT PWR\nwhile :; do sleep 60 & wait; done\n'
writeFileSync(at('bundle/ostler-init'), init, { mode: 0o755 })
const driver = inTurn(
  lxcHypervisor({
    ...{ prefix: 'vmtest-', run: at('run'), lxcPath: at('lxc'), logs: at('logs'), images: at('images') },
    ...{
      overlays: at('overlays'),
      homes: at('homes'),
      bundle: at('bundle'),
      network,
      displayGid: 0,
      cgroups,
    },
    users: { first: 655_360_000, perDesktop: 65_536 },
  }),
)
const spec = {
  ...{ id: 7, name: 'desk', tenantId: 1, ownerId: 7, login: 'ann', address: '10.3.99.17' },
  flavour: { id: 1, memoryMb: 256, cpuPercent: 150, homeMb: 16 },
  image: { name: 'instant', kind: 'instant', path: '/' },
} as const

await ensureBridge(network.bridge, network)
await driver.prepare(spec)
await driver.boot(spec)
const group = join(cgroups.counted, 'ostler/vmtest-7/payload')
const limit = (name: string): string => readFileSync(join(group, name), 'utf8').trim()
const [pid] = processesIn(group)
const seen = {
  version: cgroups.version,
  users: readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim().split(/\s+/),
  profile: readFileSync(`/proc/${pid}/attr/current`, 'utf8').trim(),
  limits: [limit('memory.max'), limit('cpu.max'), limit('pids.max')],
  running: driver.observe(7).processes,
}
await driver.powerOff(7)
await comesToHold(() => driver.observe(7).processes === 'absent', END_MS, 100)
const ended = driver.observe(7).processes
await driver.release(7)
await removeBridge(network.bridge)
const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
const left = mounts.filter((line) => line.includes(folder))
console.log(JSON.stringify({ ...seen, ended, left }))
