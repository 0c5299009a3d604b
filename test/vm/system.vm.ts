import { expect } from 'vitest'
import { test } from './guest-test.ts'

test('systemd has started the guest and no unit has failed', async ({ guest }) => {
  expect(await guest.must(['systemctl', 'list-units', '--failed', '--plain', '--no-legend'])).toBe('')
  expect(await guest.must(['systemctl', 'is-system-running'])).toBe('running')
})

test('control groups are version 2 alone, with the controllers that desktops need', async ({ guest }) => {
  expect(await guest.must(['stat', '--file-system', '--format=%T', '/sys/fs/cgroup'])).toBe('cgroup2fs')
  const controllers = await guest.must(['cat', '/sys/fs/cgroup/cgroup.controllers'])
  expect(controllers.split(' ')).toEqual(expect.arrayContaining(['cpu', 'cpuset', 'io', 'memory', 'pids']))
})

test('the project is there, and nobody inside can change it', async ({ guest }) => {
  expect(await guest.must(['cat', '/project/package.json'])).toContain('"name": "ostler"')
  const { code, stderr } = await guest.run(['touch', '/project/written-inside'])
  expect([code, stderr]).toEqual([1, expect.stringContaining('Read-only file system')])
})
