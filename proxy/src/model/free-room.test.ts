import { expect, test } from 'vitest'
import { type FileSystemRoom, lackOfRoom } from './free-room.ts'

const GB = 2 ** 30
const reserve = { megabytes: 1024, percent: 1 }
const room = (changed: Partial<FileSystemRoom>): FileSystemRoom => ({
  freeBytes: 50 * GB,
  totalBytes: 100 * GB,
  freeInodes: 1_000_000,
  totalInodes: 2_000_000,
  ...changed,
})

test('there is room where both reserves are free', () => {
  expect(lackOfRoom(room({}), reserve)).toBeUndefined()
  expect(lackOfRoom(room({ freeBytes: GB }), reserve)).toBeUndefined()
})

test('bytes, percent and inodes are each told apart, with the figures', () => {
  expect(lackOfRoom(room({ freeBytes: GB - 1 }), reserve)).toBe('1023 MB are free there, 1024 must be')
  expect(lackOfRoom(room({ freeBytes: 5 * GB }), { megabytes: 0, percent: 10 })).toBe(
    '5120 MB are free there, 10240 must be',
  )
  expect(lackOfRoom(room({ freeInodes: 100 }), reserve)).toBe('100 inodes are free there, 20000 must be')
})

test('a file system that counts no inodes lacks none, and a small one is judged by percent', () => {
  expect(lackOfRoom(room({ freeInodes: 0, totalInodes: 0 }), reserve)).toBeUndefined()
  expect(lackOfRoom(room({ totalBytes: GB, freeBytes: GB / 2 }), reserve)).toBeUndefined()
  expect(lackOfRoom(room({ totalBytes: GB, freeBytes: 1 }), reserve)).toBe('0 MB are free there, 11 must be')
  expect(lackOfRoom(room({ freeBytes: 0, freeInodes: 0 }), { megabytes: 0, percent: 0 })).toBeUndefined()
})
