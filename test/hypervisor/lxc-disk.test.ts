import { comesToHold } from '@ostler/kit/poll.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DesktopSpec } from '../../proxy/src/hypervisor/hypervisor.ts'
import { inTurn } from '../../proxy/src/hypervisor/in-turn.ts'
import { cgroupLayout } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { type LxcRoom, lxcRoom } from './lxc-room.ts'

const END_MS = 15_000
const KBYTES = 1024
const ID = 1

let room: LxcRoom
let desktop: DesktopSpec

beforeAll(async () => {
  room = await lxcRoom()
  const usual = room.spec(ID)
  desktop = { ...usual, flavour: { ...usual.flavour, diskRates: { iops: 5_000, kbytes: KBYTES } } }
  const driver = inTurn(room.open())
  await driver.prepare(desktop)
  await driver.boot(desktop)
})
afterAll(async () => {
  const driver = inTurn(room.open())
  await driver.kill(ID)
  await comesToHold(() => driver.observe(ID).processes === 'absent', END_MS, 20)
  await driver.release(ID)
  await room[Symbol.asyncDispose]()
})

/** The group of the desktop's first process in the hierarchy that limits disks. */
function diskGroup(): string {
  const layout = cgroupLayout()
  const lines = readFileSync(`/proc/${room.init(ID)}/cgroup`, 'utf8')
    .trim()
    .split('\n')
  const own = (name: string): string =>
    lines.map((line) => line.split(':')).find(([, names = '']) => names.split(',').includes(name))?.[2] ?? ''
  const [v1 = ''] = layout?.hierarchies.filter((path) => path.endsWith('/blkio')) ?? []
  return layout?.version === 2 ? join(layout.counted, own('')) : join(v1, own('blkio'))
}

test('a desktop’s control group has the limits of its flavour, for the disk of its storage', () => {
  const group = diskGroup()
  const v2 = join(group, 'io.max')
  const lines = existsSync(v2)
    ? readFileSync(v2, 'utf8')
    : ['read_bps', 'write_bps', 'read_iops', 'write_iops']
        .map((name) => readFileSync(join(group, `blkio.throttle.${name}_device`), 'utf8'))
        .join('')
  const numbers = [...lines.matchAll(/\b(\d{4,})\b/g)].map(([, number]) => number)
  expect(numbers).toEqual(['1048576', '1048576', '5000', '5000'])
  expect(inTurn(room.open()).warning?.(desktop)).toBeUndefined()
})

test('what it writes to its disk takes as long as the limit says, at least', async () => {
  const megabytes = 3
  const writes = `read _; exec dd if=/dev/zero of=/etc/big bs=64k count=${megabytes * 16} oflag=direct`
  const inside = ['--target', String(room.init(ID)), '--user', '--mount', '--root', '--', 'sh', '-c', writes]
  const child = spawn('nsenter', inside, { stdio: ['pipe', 'ignore', 'pipe'] })
  const said = text(child.stderr)
  const ended = once(child, 'exit')
  writeFileSync(join(diskGroup(), 'cgroup.procs'), String(child.pid))
  const began = performance.now()
  child.stdin.end('go\n')
  expect([(await ended)[0], await said]).toEqual([0, expect.stringContaining('copied')])
  // The kernel lets the first slice of a tenth of a second pass.
  expect(performance.now() - began).toBeGreaterThan(((megabytes * 1024) / KBYTES - 1) * 1_000)
})
