import { expect, test } from 'vitest'
import { mountOf, mounts, parseMounts } from './mount-table.ts'

test('a line is read with and without optional fields, and blanks in names', () => {
  const text = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
45 27 0:51 /@a /srv/my\\040homes rw,nosuid shared:2 master:1 - btrfs /dev/vdb1 rw,subvol=/@a
`
  expect(parseMounts(text)).toEqual([
    { id: 27, device: '254:0', point: '/', source: '/dev/vda', writable: true },
    { id: 45, device: '0:51', point: '/srv/my homes', source: '/dev/vdb1', writable: true },
  ])
})

test.each([
  ['the mount', 'ro,nosuid', 'rw'],
  ['the filesystem', 'rw,nosuid', 'ro,errors=remount-ro'],
])('it is not writable when %s is read-only', (_, options, superOptions) => {
  expect(parseMounts(`45 27 7:0 / /home ${options} - ext4 /dev/vdb1 ${superOptions}`)).toMatchObject([
    { writable: false },
  ])
})

test.each(['', 'nonsense', '45 27 7:0 / /home rw', '45 - ext4 /dev/vdb1 rw'])('%j is no mount', (line) => {
  expect(parseMounts(line)).toEqual([])
})

test('the kernel says which mount a path is reached through', () => {
  expect(mountOf('/proc/self/status').point).toBe('/proc')
  expect(mountOf('/').point).toBe('/')
  expect(mounts().map(({ id }) => id)).toContain(mountOf(import.meta.filename).id)
})

test('a path that is not there is the system error', () => {
  expect(() => mountOf('/no/such/path')).toThrow('ENOENT')
})
