import { expect, test } from 'vitest'
import { DISK_IMAGE_KINDS } from './disk-image.ts'
import { isRunnable } from './hypervisor-kind.ts'

test('virtual machines run disks and nothing else, whatever else runs desktops runs folders', () => {
  const runnable = (by: 'lxc' | 'kvm' | 'process' | null): readonly string[] =>
    DISK_IMAGE_KINDS.filter((kind) => isRunnable(kind, by))
  expect(runnable('kvm')).toEqual(['qcow2'])
  for (const by of ['lxc', 'process', null] as const)
    expect(runnable(by)).toEqual(['instant', 'directory', 'tarball', 'squashfs'])
})
