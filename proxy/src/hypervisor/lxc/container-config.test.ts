import { describe, expect, test } from 'vitest'
import { containerConfig, type ContainerSetup } from './container-config.ts'
import { stagePlaces } from './stage.ts'

const STAGE = '/run/ostler/lxc/ostler-7/stage'
const OWN_INIT = stagePlaces({ folder: STAGE, bundle: undefined, usr: undefined })
const SETUP: ContainerSetup = {
  container: 'ostler-7',
  hostname: 'desk',
  stage: stagePlaces({ folder: STAGE, bundle: '/opt/bundle', usr: '/usr' }),
  users: { first: 655_818_752, count: 65_536 },
  network: {
    bridge: 'ostler0',
    veth: 'ost7',
    mac: '54:52:00:00:00:07',
    address: '10.3.0.7',
    prefix: 16,
    gateway: '10.3.0.1',
  },
  profile: undefined,
  memoryMb: 512,
  cpuPercent: 150,
  diskLimits: [],
  cgroups: { version: 2, hierarchies: ['/sys/fs/cgroup'], counted: '/sys/fs/cgroup' },
}

/** All values of a key. */
function valuesOf(key: string, setup: Partial<ContainerSetup> = {}): string[] {
  return containerConfig({ ...SETUP, ...setup })
    .split('\n')
    .filter((line) => line.startsWith(`${key} = `))
    .map((line) => line.slice(key.length + 3))
}

test('every line is a key and a value', () => {
  const lines = containerConfig(SETUP).split('\n')
  expect(lines.pop()).toBe('')
  expect(lines.filter((line) => !/^lxc\.[\w.]+ = \S.*$/.test(line))).toEqual([])
})

test('the system is what was put together on the stage', () => {
  expect(valuesOf('lxc.rootfs.path')).toEqual([`dir:${STAGE}/root`])
})

test('users and groups of the guest have numbers of its own on the node, unless root is to be root', () => {
  expect(valuesOf('lxc.idmap')).toEqual(['u 0 655818752 65536', 'g 0 655818752 65536'])
  expect(valuesOf('lxc.idmap', { users: undefined })).toEqual([])
})

test('the guest reads its boot folder and writes its display folder', () => {
  const mounts = valuesOf('lxc.mount.entry')
  expect(mounts).toContain(`${STAGE}/boot run/ostler/boot none ro,bind,nosuid,nodev,noexec,create=dir 0 0`)
  expect(mounts).toContain(`${STAGE}/display run/ostler/display none bind,nosuid,nodev,noexec,create=dir 0 0`)
})

test('the home is bound in', () => {
  expect(valuesOf('lxc.mount.entry')).toContain(`${STAGE}/home home none bind,nosuid,nodev,create=dir 0 0`)
})

test('whatever of the node is bound in is read-only, but for the home, the display and a device', () => {
  const writable = valuesOf('lxc.mount.entry')
    .filter((mount) => mount.startsWith('/') && !/\bro\b/.test(mount.split(' ')[3] ?? ''))
    .map((mount) => mount.split(' ')[1])
  expect(writable).toEqual(['home', 'dev/fuse', 'run/ostler/display'])
})

test('no mount goes to an absolute place, and /run is there before what goes below it', () => {
  const targets = valuesOf('lxc.mount.entry').map((mount) => mount.split(' ')[1] ?? '')
  expect(targets.filter((target) => target.startsWith('/'))).toEqual([])
  expect(targets.indexOf('run')).toBeLessThan(targets.indexOf('run/ostler/boot'))
})

test('the node’s /usr is seen only by an image that has none', () => {
  const seesUsr = (usr: string | undefined) =>
    valuesOf('lxc.mount.entry', { stage: stagePlaces({ folder: STAGE, bundle: undefined, usr }) }).some(
      (mount) => mount.startsWith(`${STAGE}/usr usr `),
    )
  expect([seesUsr('/usr'), seesUsr(undefined)]).toEqual([true, false])
})

test('an image with an agent of its own boots its own init, another one the bundle’s', () => {
  expect(valuesOf('lxc.init.cmd')).toEqual(['/opt/ostler-vma/ostler-init'])
  expect(valuesOf('lxc.signal.halt')).toEqual(['SIGTERM'])
  expect(valuesOf('lxc.init.cmd', { stage: OWN_INIT })).toEqual(['/sbin/init'])
  expect(valuesOf('lxc.signal.halt', { stage: OWN_INIT })).toEqual(['SIGRTMIN+3'])
  expect(containerConfig({ ...SETUP, stage: OWN_INIT })).not.toContain('/opt/ostler-vma')
})

test('the desktop outlives its monitor', () => {
  expect(valuesOf('lxc.monitor.signal.pdeath')).toEqual(['0'])
})

test('root in a desktop cannot load modules, set the clock or reboot the node', () => {
  const dropped = valuesOf('lxc.cap.drop').join(' ').split(' ')
  expect(dropped).toEqual(
    expect.arrayContaining(['sys_module', 'sys_time', 'sys_boot', 'sys_rawio', 'mac_admin']),
  )
})

test('AppArmor is told its profile, where there is one', () => {
  expect(valuesOf('lxc.apparmor.profile')).toEqual([])
  expect(valuesOf('lxc.apparmor.profile', { profile: 'lxc-ostler' })).toEqual(['lxc-ostler'])
})

test('the desktop has its address, its gateway and its place on the bridge', () => {
  expect(valuesOf('lxc.net.0.ipv4.address')).toEqual(['10.3.0.7/16'])
  expect(valuesOf('lxc.net.0.ipv4.gateway')).toEqual(['10.3.0.1'])
  expect(valuesOf('lxc.net.0.link')).toEqual(['ostler0'])
  expect(valuesOf('lxc.net.0.hwaddr')).toEqual(['54:52:00:00:00:07'])
})

describe('limits', () => {
  test('are written for control groups of version 2', () => {
    expect(valuesOf('lxc.cgroup2.memory.max')).toEqual(['512M'])
    expect(valuesOf('lxc.cgroup2.cpu.max')).toEqual(['150000 100000'])
    expect(valuesOf('lxc.cgroup2.pids.max')).toEqual(['4096'])
    expect(containerConfig(SETUP)).not.toMatch(/^lxc\.cgroup\.(memory|cpu|pids)/m)
  })

  test('are written for control groups of version 1', () => {
    const cgroups = { version: 1, hierarchies: [], counted: '/sys/fs/cgroup/memory' } as const
    expect(valuesOf('lxc.cgroup.memory.limit_in_bytes', { cgroups })).toEqual(['512M'])
    expect(valuesOf('lxc.cgroup.cpu.cfs_period_us', { cgroups })).toEqual(['100000'])
    expect(valuesOf('lxc.cgroup.cpu.cfs_quota_us', { cgroups })).toEqual(['150000'])
    expect(valuesOf('lxc.cgroup.pids.max', { cgroups })).toEqual(['4096'])
    expect(containerConfig({ ...SETUP, cgroups })).not.toContain('lxc.cgroup2.')
  })
})

test('disks are limited as they are said to be, in the words of the kernel’s version', () => {
  const group = { version: 1, hierarchies: ['/cg/memory', '/cg/blkio'], counted: '/cg/memory' } as const
  const old = { cgroups: group, diskLimits: [['blkio.throttle.read_bps_device', '8:0 65536']] as const }
  expect(valuesOf('lxc.cgroup.blkio.throttle.read_bps_device', old)).toEqual(['8:0 65536'])
  const lines = ['8:0 riops=50', '8:16 riops=50']
  const diskLimits = lines.map((line) => ['io.max', line] as const)
  expect(valuesOf('lxc.cgroup2.io.max', { diskLimits })).toEqual(lines)
})
