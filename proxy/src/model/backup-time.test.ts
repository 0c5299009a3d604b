import { expect, test } from 'vitest'
import { isBackupDue, parseTimeOfDay } from './backup-time.ts'

const AT = parseTimeOfDay('03:15')
const on = (day: number, hours: number, minutes = 0): Date => new Date(2026, 4, day, hours, minutes)
const history = (verifiedAt: Date | null, triedAt = verifiedAt, madeAt = on(1, 12)) => ({
  verifiedAt,
  triedAt,
  madeAt,
})

test.each(['03:15', '00:00', '23:59'])('%s is a time of day', (text) =>
  expect(() => parseTimeOfDay(text)).not.toThrow(),
)
test.each(['3:15', '24:00', '03:60', '', 'noon', '03:15 '])('"%s" is none', (text) =>
  expect(() => parseTimeOfDay(text)).toThrow('is no time of day'),
)

test('a backup is due once a night, when its hour has come', () => {
  expect(isBackupDue(AT, 0, history(on(9, 3, 15)), on(10, 3, 14))).toBe(false)
  expect(isBackupDue(AT, 0, history(on(9, 3, 15)), on(10, 3, 15))).toBe(true)
  expect(isBackupDue(AT, 0, history(on(10, 3, 15)), on(10, 3, 16))).toBe(false)
})

test('one that was asked for by hand before the hour does not stand for it', () => {
  expect(isBackupDue(AT, 0, history(on(9, 20)), on(10, 3, 15))).toBe(true)
})

test('a node that was off at the hour makes it up', () => {
  expect(isBackupDue(AT, 0, history(on(5, 3, 15)), on(10, 9))).toBe(true)
})

test('a node whose database is new waits for its first hour, and one that is off every night is not forgotten', () => {
  expect(isBackupDue(AT, 0, history(null, null, on(9, 12)), on(9, 18))).toBe(false)
  expect(isBackupDue(AT, 0, history(null, null, on(9, 12)), on(10, 8))).toBe(true)
})

test('one that failed is tried again an hour later, not at once', () => {
  const failed = history(on(9, 3, 15), on(10, 3, 15))
  expect(isBackupDue(AT, 0, failed, on(10, 4, 14))).toBe(false)
  expect(isBackupDue(AT, 0, failed, on(10, 4, 15))).toBe(true)
})

test('the delay of a node counts as part of the hour', () => {
  expect(isBackupDue(AT, 300_000, history(on(9, 3, 20)), on(10, 3, 19))).toBe(false)
  expect(isBackupDue(AT, 300_000, history(on(9, 3, 20)), on(10, 3, 20))).toBe(true)
})
