// In the guest: desktops and their homes by the node's own drivers. `start`: a desktop of the folder's node writes to its home, and what
// it was told is printed. `prepare`: only what comes before. `away`: the server of the homes is out of reach for a while. `leave`: starts a
// desktop and stays, as hkd does. `end`: ends the one that was left. Each prints one line of JSON.
import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { mkdirSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { RoomWatch } from '../../proxy/src/hkd/room-watch.ts'
import { homeOf } from '../../proxy/src/hypervisor/homes/home-place.ts'
import { housed } from '../../proxy/src/hypervisor/homes/housed.ts'
import type { DesktopSpec, Hypervisor } from '../../proxy/src/hypervisor/hypervisor.ts'
import { inTurn } from '../../proxy/src/hypervisor/in-turn.ts'
import { cgroupLayout } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { lxcHypervisor } from '../../proxy/src/hypervisor/lxc/lxc.ts'
import { ensureBridge, removeBridge } from '../../proxy/src/hypervisor/lxc/network.ts'
import { guarded } from '../../proxy/src/hypervisor/storage/guarded.ts'

const END_MS = 150_000
const NETWORK = { gateway: '10.3.98.1', prefix: 24, bridge: 'otest98', macPrefix: '54:52:00' }

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: 'string', default: '' },
    homes: { type: 'string', default: '' },
    overlays: { type: 'string' },
    user: { type: 'string', default: 'ann' },
    /** Megabytes that its desktop writes, and that its home may have; 0: a directory. */
    writes: { type: 'string', default: '8' },
    size: { type: 'string', default: '0' },
    made: { type: 'boolean', default: false },
    shifted: { type: 'boolean', default: false },
  },
})
const at = (name: string): string => join(values.folder, name)
const sizeMb = Number(values.size)

/** The desktop's first process. What it was told stands at the beginning of a block that is its own, however full the home is. */
const INIT = `#!/bin/sh
trap 'exit 0' TERM INT PWR
head -c 4096 /dev/zero > /home/report
said=$(dd if=/dev/zero of=/home/big bs=1M count=${values.writes} conv=fsync 2>&1 | head -n 1)
printf '%s\\n' "$said" 1<> /home/report
while :; do sleep 60 & wait; done
`

const cgroups = cgroupLayout()
if (cgroups === undefined) throw new Error('the guest has no control groups')
for (const name of ['bundle', 'run', 'lxc', 'logs', 'images'])
  mkdirSync(at(name), { recursive: true, mode: 0o755 })
writeFileSync(at('bundle/ostler-init'), INIT, { mode: 0o755 })
const places = { run: at('run'), homes: values.homes, overlays: values.overlays ?? at('overlays') }
const folders = {
  ...{ staging: at('staging'), images: at('images'), basefs: at('basefs') },
  ...{ overlayfs: places.overlays, overlays: places.overlays, homefs: places.homes },
}
const containers = lxcHypervisor({
  ...{ prefix: 'homes-', lxcPath: at('lxc'), logs: at('logs'), images: at('images'), bundle: at('bundle') },
  ...{ ...places, network: NETWORK, displayGid: 0, cgroups },
  users: values.shifted ? { first: 655_360_000, perDesktop: 65_536 } : undefined,
})
const guard = { folders, overlays: places.overlays, node: 'node1', cgroups, mounts: [], logs: () => [] }
const driver: Hypervisor = inTurn(
  housed(guarded(containers, guard), {
    ...{ ...places, node: 'node1', kinds: ['directory', 'image'], owner: () => ({ uid: 0, gid: 0 }) },
    ...{ mustBeMounted: false, group: { cgroups, name: 'homes-homes' } },
  }),
)

function specOf(id: number, user: string): DesktopSpec {
  const kind = sizeMb === 0 ? 'directory' : 'image'
  const path = kind === 'image' ? `${user}-1.img` : `${user}-1`
  return {
    ...{ id, epoch: 1, name: user, tenantId: 1, ownerId: id, login: user, address: `10.3.98.${id + 10}` },
    flavour: { id: 1, memoryMb: 256, cpuPercent: 150 },
    image: { id: 1, name: 'instant', kind: 'instant', path: '/' },
    home: { id, path, kind, limitMb: sizeMb, isMade: values.made, epoch: 1 },
  }
}

async function faultOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'done',
    (error: unknown) => {
      const { code = '', message } = error as Error & { code?: string }
      return `${code}: ${message}`
    },
  )
}

const CASES: Readonly<Record<string, () => Promise<unknown>>> = { start, prepare, away, leave, end }

/** A desktop writes to its home until it has written enough, or may not. */
async function start(): Promise<unknown> {
  const spec = specOf(7, values.user)
  await ensureBridge(NETWORK.bridge, NETWORK)
  try {
    await driver.prepare(spec)
    await driver.boot(spec)
    const home = homeOf(places, spec)
    const said = (): string => readFileSync(join(home, 'report'), 'latin1').split('\n')[0] ?? ''
    await comesToHold(() => readdirSync(home).includes('report') && /^[^\0]/.test(said()), END_MS, 200)
    const { bsize, blocks } = statfsSync(home)
    return { said: said(), megabytes: Math.round((bsize * blocks) / 2 ** 20) }
  } catch (error) {
    return { fault: await faultOf(Promise.reject(error)) }
  } finally {
    await end()
  }
}

async function leave(): Promise<unknown> {
  const spec = specOf(7, values.user)
  await ensureBridge(NETWORK.bridge, NETWORK)
  await driver.prepare(spec)
  await driver.boot(spec)
  return await new Promise(() => setInterval(() => {}, 60_000))
}

async function end(): Promise<unknown> {
  const found = driver.observe(7).processes
  await driver.kill(7)
  await comesToHold(() => driver.observe(7).processes === 'absent', END_MS, 100)
  await driver.release(7)
  await removeBridge(NETWORK.bridge)
  return { found }
}

async function prepare(): Promise<unknown> {
  const told = await faultOf(driver.prepare(specOf(7, values.user)))
  await driver.release(7)
  return { told }
}

/** While the server is away nothing waits for it for long, nothing else of this process stops, and then all goes on. */
async function away(): Promise<unknown> {
  const [first, second] = [specOf(7, 'ann'), specOf(8, 'bob')]
  await driver.prepare(first)
  const log = { info: () => {}, warn: () => {}, error: () => {} } as never
  using rooms = new RoomWatch(folders, { megabytes: 0, percent: 0 }, log)
  await rooms.look()
  let turns = 0
  const ticks = setInterval(() => (turns += 1), 100)
  try {
    // Its packets go nowhere, as when a cable is pulled.
    await run('ip', ['link', 'set', 'lo', 'down'])
    const told = [await faultOf(driver.prepare(second)), await faultOf(driver.release(7))]
    const turned = turns
    await comesToHold(() => rooms.holds() !== undefined, END_MS, 100)
    const held = rooms.holds()
    // Files elsewhere are read as ever: no more than a few threads wait.
    const read = await faultOf(import('node:fs/promises').then(({ readFile }) => readFile('/etc/hostname')))
    await run('ip', ['link', 'set', 'lo', 'up'])
    await comesToHold(() => rooms.holds() === undefined, END_MS, 100)
    const after = [await faultOf(driver.release(7)), await faultOf(driver.prepare(second))]
    return { told, turned: turned > 10, held, read, heldAfter: rooms.holds() ?? 'nothing', after }
  } finally {
    clearInterval(ticks)
    await run('ip', ['link', 'set', 'lo', 'up'])
    for (const { id } of [first, second]) await driver.release(id)
  }
}

// No word at the top waits: it is bundled as CommonJS.
void (CASES[positionals[0] ?? '']?.() ?? Promise.reject(new Error('which case?'))).then((seen) => {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const left = mounts.filter((line) => line.includes(values.folder) && !line.includes(' - nfs'))
  console.log(JSON.stringify({ ...(seen as object), left }))
})
