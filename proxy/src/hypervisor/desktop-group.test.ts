import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { enterGroup } from './desktop-group.ts'

const LIMITS = { memoryMb: 1024, cpuPercent: 150, processes: 1_024 }
let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ostler-group-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const read = (path: string): string => readFileSync(join(root, path), 'utf8')

test('version 2: controllers are passed on to the group, which gets its limits and the process', () => {
  enterGroup({ version: 2, hierarchies: [root], counted: root }, 'o-7', LIMITS, [4321])
  for (const above of ['', 'ostler', 'ostler/o-7'])
    expect(read(join(above, 'cgroup.subtree_control'))).toBe('+memory +cpu +pids')
  expect(read('ostler/o-7/payload/memory.max')).toBe(String(1024 * 2 ** 20))
  expect(read('ostler/o-7/payload/cpu.max')).toBe('150000 100000')
  expect(read('ostler/o-7/payload/pids.max')).toBe('1024')
  expect(read('ostler/o-7/payload/cgroup.procs')).toBe('4321')
})

test('limits of disks need one more controller, where there are some', () => {
  const disks = [['io.max', '8:0 rbps=1048576 wbps=1048576']] as const
  enterGroup({ version: 2, hierarchies: [root], counted: root }, 'o-7', { ...LIMITS, disks }, [4321])
  expect(read('ostler/cgroup.subtree_control')).toBe('+memory +cpu +pids +io')
  expect(read('ostler/o-7/payload/io.max')).toBe('8:0 rbps=1048576 wbps=1048576')
  const hierarchies = ['memory', 'blkio'].map((name) => join(root, name))
  for (const path of hierarchies) mkdirSync(path)
  const old = [['blkio.throttle.read_iops_device', '8:0 50']] as const
  enterGroup(
    { version: 1, hierarchies, counted: join(root, 'memory') },
    'o-7',
    { ...LIMITS, disks: old },
    [1],
  )
  expect(read('blkio/ostler/o-7/payload/blkio.throttle.read_iops_device')).toBe('8:0 50')
})

test('version 1: each hierarchy gets its own limits, and the others get the process alone', () => {
  const hierarchies = ['memory', 'cpu', 'pids', 'cpuset', 'freezer'].map((name) => join(root, name))
  for (const path of hierarchies) mkdirSync(path)
  enterGroup({ version: 1, hierarchies, counted: join(root, 'memory') }, 'o-7', LIMITS, [4321])
  expect(read('memory/ostler/o-7/payload/memory.limit_in_bytes')).toBe(String(1024 * 2 ** 20))
  expect(read('cpu/ostler/o-7/payload/cpu.cfs_quota_us')).toBe('150000')
  expect(read('pids/ostler/o-7/payload/cgroup.procs')).toBe('4321')
  expect(read('freezer/ostler/o-7/payload/cgroup.procs')).toBe('4321')
})
