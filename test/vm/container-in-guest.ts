import { GUEST_BUNDLE_FOLDER } from '@ostler/contract/identity.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inTurn } from '../../proxy/src/hypervisor/in-turn.ts'
import { cgroupLayout, processesIn } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { lxcHypervisor } from '../../proxy/src/hypervisor/lxc/lxc.ts'
import { ensureBridge, removeBridge } from '../../proxy/src/hypervisor/lxc/network.ts'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'

/**
 * Run in the guest by its own Node: starts one container by the driver, and tells as JSON what the kernel says of it, and what it lets
 * its root do. Its only argument is an empty folder to do it in.
 */
const folder = process.argv[2] ?? ''
const at = (name: string): string => join(folder, name)
const END_MS = 100_000
const GROUP = 'ostler/vmtest-7/payload'

/** What root of the container tries: to mount FUSE, another kind that its user namespace allows, and one of the node's. */
const TRIES = `
open my $fuse, '+<', '/dev/fuse' or die "there is no FUSE: $!";
mkdir '/run/tried';
for (['fuse', 'fd=' . fileno($fuse) . ',rootmode=40000,user_id=0,group_id=0'], ['devpts', 'newinstance'], ['debugfs', '']) {
  my ($kind, $options) = @$_;
  my ($source, $place) = ('tried', '/run/tried');
  my $refused = syscall(165, $source, $place, $kind, 6, $options) && "$!";
  print "$kind: ", $refused || 'mounted', "\\n";
}
`
const INIT = `#!/bin/sh
trap 'exit 0' TERM INT PWR
perl ${GUEST_BUNDLE_FOLDER}/tries > /home/tried.new 2>&1
mv /home/tried.new /home/tried
while :; do sleep 60 & wait; done
`

const cgroups = cgroupLayout()
if (cgroups === undefined) throw new Error('the guest has no control groups')
const network = { gateway: '10.3.99.1', prefix: 24, bridge: 'otest99', macPrefix: '54:52:00' }
for (const name of ['bundle', 'homes/ann-1']) mkdirSync(at(name), { recursive: true, mode: 0o755 })
writeFileSync(at('bundle/ostler-init'), INIT, { mode: 0o755 })
writeFileSync(at('bundle/tries'), TRIES)
const driver = inTurn(
  lxcHypervisor({
    ...{ prefix: 'vmtest-', run: at('run'), lxcPath: at('lxc'), logs: at('logs'), images: at('images') },
    ...{ overlays: at('overlays'), homes: at('homes'), bundle: at('bundle') },
    ...{ network, displayGid: 0, cgroups },
    users: { first: 655_360_000, perDesktop: 65_536 },
  }),
)
const spec: DesktopSpec = {
  ...{ id: 7, epoch: 1, name: 'desk', tenantId: 1, ownerId: 7, login: 'ann', address: '10.3.99.17' },
  flavour: { id: 1, memoryMb: 256, cpuPercent: 150 },
  image: { id: 1, name: 'instant', kind: 'instant', path: '/' },
  home: { id: 1, path: 'ann-1', kind: 'directory', limitMb: 0, isMade: true, epoch: 1 },
}

await ensureBridge(network.bridge, network)
await driver.prepare(spec)
await driver.boot(spec)
const group = join(cgroups.counted, GROUP)
const limit = (name: string): string => readFileSync(join(group, name), 'utf8').trim()
const tried = at('homes/ann-1/tried')
await comesToHold(() => existsSync(tried), END_MS, 100)
const [pid] = processesIn(group)
const seen = {
  version: cgroups.version,
  users: readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim().split(/\s+/),
  profile: readFileSync(`/proc/${pid}/attr/current`, 'utf8').trim(),
  limits: [limit('memory.max'), limit('cpu.max'), limit('pids.max')],
  tried: readFileSync(tried, 'utf8').trimEnd().split('\n'),
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
