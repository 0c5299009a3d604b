import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { diskLimits, disksOf, diskWarning, groupDiskLimits } from './disk-limits.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ostler-disks-'))
})
afterEach(() => rmSync(root, { recursive: true }))

describe('lines for control groups', () => {
  test('version 1 has a file for each number, version 2 a line for each disk', () => {
    const rates = { iops: 200, kbytes: 1024 }
    expect(diskLimits(1, rates, ['8:0'])).toEqual([
      ['blkio.throttle.read_bps_device', '8:0 1048576'],
      ['blkio.throttle.write_bps_device', '8:0 1048576'],
      ['blkio.throttle.read_iops_device', '8:0 200'],
      ['blkio.throttle.write_iops_device', '8:0 200'],
    ])
    expect(diskLimits(2, rates, ['8:0', '252:1'])).toEqual([
      ['io.max', '8:0 rbps=1048576 wbps=1048576 riops=200 wiops=200'],
      ['io.max', '252:1 rbps=1048576 wbps=1048576 riops=200 wiops=200'],
    ])
  })

  test('what is not limited is not mentioned', () => {
    expect(diskLimits(2, { iops: 50, kbytes: null }, ['8:0'])).toEqual([['io.max', '8:0 riops=50 wiops=50']])
    expect(diskLimits(1, { iops: null, kbytes: null }, ['8:0'])).toEqual([])
  })

  test('none are written where the kernel has no controller, and the desktop says so', () => {
    const without = { version: 1, hierarchies: ['/cg/memory', '/cg/cpu'], counted: '/cg/memory' } as const
    const rates = { iops: 50, kbytes: null }
    expect(groupDiskLimits(without, rates, ['/'])).toEqual([])
    expect(diskWarning(without, rates, ['/'])).toMatch(/no control group with an io or blkio controller/)
    expect(diskWarning(without, undefined, ['/'])).toBeUndefined()
    expect(diskWarning(without, { iops: null, kbytes: null }, ['/'])).toBeUndefined()
  })
})

describe('disks', () => {
  /** The kernel's tables, in which the disk of our folder is a partition of 259:7. */
  function kernelWithPartition(): { sys: string; mounts: string } {
    const { dev } = statSync(root)
    const own = `${Math.floor(dev / 256) % 4096}:${dev % 256}`
    const disk = join(root, 'sys/devices/disk')
    mkdirSync(join(disk, 'part1'), { recursive: true })
    mkdirSync(join(root, 'sys/dev/block'), { recursive: true })
    writeFileSync(join(disk, 'dev'), '259:7\n')
    writeFileSync(join(disk, 'part1/partition'), '1\n')
    symlinkSync('../../devices/disk/part1', join(root, 'sys/dev/block', own))
    writeFileSync(join(root, 'mounts'), '')
    return { sys: join(root, 'sys'), mounts: join(root, 'mounts') }
  }

  test('a partition stands for its whole disk, which is named once', () => {
    expect(disksOf([root, join(root, 'sys')], kernelWithPartition())).toEqual({
      disks: ['259:7'],
      without: [],
    })
  })

  test('a folder in memory, or one that is not there, has none', () => {
    expect(disksOf(['/dev/shm', join(root, 'gone')])).toEqual({
      disks: [],
      without: ['/dev/shm', join(root, 'gone')],
    })
  })
})
