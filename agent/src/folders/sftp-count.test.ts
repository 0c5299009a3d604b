import { Fault } from '@ostler/contract/fault.ts'
import { expect, test } from 'vitest'
import { SftpCount } from './sftp-count.ts'

/** Three packets. */
const PACKETS = Buffer.from([0, 0, 0, 1, 1, 0, 0, 0, 3, 9, 9, 9, 0, 0, 0, 2, 7, 7])

test('packets are counted however they are cut', () => {
  for (let size = 1; size <= PACKETS.length; size += 1) {
    const count = new SftpCount()
    for (let at = 0; at < PACKETS.length; at += size) count.push(PACKETS.subarray(at, at + size))
    expect(count.begun).toBe(3)
  }
})

test.each([[[0, 0, 0, 0]], [[0, 4, 0, 1]], [[0xff, 0xff, 0xff, 0xff]]])(
  '%j is the length of no packet',
  (bytes) => {
    expect(() => new SftpCount().push(Buffer.from(bytes))).toThrow(Fault)
  },
)
