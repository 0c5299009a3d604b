import { Fault } from '@ostler/contract/fault.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAtTime } from './at-time.ts'

/** A Saturday, with seconds. */
const NOW = new Date(2026, 10, 21, 21, 25, 40)
const read = (text: string): Date => parseAtTime(text, NOW)

function refusal(text: string): string {
  try {
    return `taken: ${read(text).toISOString()}`
  } catch (error) {
    expect(error).toBeInstanceOf(Fault)
    expect((error as Fault).code).toBe('time.invalid')
    return String((error as Fault).detail['reason'])
  }
}

test.each([
  ['now', new Date(2026, 10, 21, 21, 25)],
  ['NEXT SAT', new Date(2026, 10, 28, 21, 25)],
  ['tomorrow', new Date(2026, 10, 22, 21, 25)],
  ['noon', new Date(2026, 10, 22, 12, 0)],
  ['23:00', new Date(2026, 10, 21, 23, 0)],
  ['teatime tomorrow', new Date(2026, 10, 22, 16, 0)],
  ['4pm + 3 days', new Date(2026, 10, 24, 16, 0)],
  ['10am Jul 31', new Date(2027, 6, 31, 10, 0)],
  ['23:30 24.12.2026', new Date(2026, 11, 24, 23, 30)],
  ['8:00 monday', new Date(2026, 10, 23, 8, 0)],
])("QVD's words are understood: %s", (text, at) => {
  expect(read(text)).toEqual(at)
})

test.each([
  ['tomorrow noon', new Date(2026, 10, 22, 12, 0)],
  ['friday 8:00 + 1 week', new Date(2026, 11, 4, 8, 0)],
  ['2026-12-24 23:30', new Date(2026, 11, 24, 23, 30)],
])('a day may come before the time: %s', (text, at) => {
  expect(read(text)).toEqual(at)
})

test('ISO 8601 is understood, with the seconds and the zone that it gives', () => {
  expect(read('2026-12-24T23:30:15Z')).toEqual(new Date('2026-12-24T23:30:15Z'))
  expect(read('2026-12-24T23:30:15+05:45')).toEqual(new Date('2026-12-24T17:45:15Z'))
  expect(read('2026-12-24t23:30')).toEqual(new Date(2026, 11, 24, 23, 30))
})

test.each(['30.2.2027', 'feb 30', '29 feb 2027', '2027-02-29', '2027-02-30T10:00', '2027-01-01T25:00'])(
  'a day that does not exist is refused, where at takes the next: %s',
  (text) => {
    expect(refusal(text)).toMatch(/there is no (such )?day/)
  },
)

test.each([
  '2020-01-01',
  'jan 5 2020',
  'noon today',
  'now - 1 day',
  'tomorrow - 3 days',
  '2026-11-21T00:00:00Z',
])('what has gone by is refused, and said when it was: %s', (text) => {
  expect(refusal(text)).toMatch(/^that has gone by: 20\d\d-\d\d-\d\d \d\d:\d\d$/)
})

test('29 February without a year is in the next year that has one, if that is this or the next', () => {
  expect(parseAtTime('feb 29', new Date(2027, 5, 1))).toEqual(new Date(2028, 1, 29, 0, 0))
  expect(refusal('feb 29')).toContain('there is no day 29')
})

test.each([
  ['', 'it is empty'],
  ['soon', "'soon' is neither a time nor a day"],
  ['noon and a bit', "'and a bit' was not expected"],
  ['next', "after 'next' comes a day of the week"],
  ['now + 3', 'after the number comes a period'],
  ['25:00', 'a day has no hour 25'],
  ['13pm', 'there is no 13pm'],
  ['9:75', 'an hour has no minute 75'],
  ['jan', 'the day of the month is missing'],
  ['12 apples', "'apples' is no month"],
  ['now + 99999 years', 'that is too far ahead'],
  ['x'.repeat(101), 'it is too long'],
])('a refusal says what is wrong: %s', (text, reason) => {
  expect(refusal(text)).toContain(reason)
})

test('whatever it is given, it returns a time that has not gone by, or refuses', () => {
  const words = fc.constantFrom(
    ...'now noon next sat sunday tomorrow + - 3 12 2027 jan 29 feb 10:30 am utc days weeks . / 31.12.27 week'.split(
      ' ',
    ),
  )
  const text = fc.oneof(
    fc.string({ maxLength: 120 }),
    fc.array(words, { maxLength: 7 }).map((each) => each.join(' ')),
  )
  const thisMinute = new Date(2026, 10, 21, 21, 25)
  fc.assert(
    fc.property(text, (each) => {
      const said = refusal(each)
      if (said.startsWith('taken: ')) expect(new Date(said.slice(7)) >= thisMinute).toBe(true)
      else expect(said).not.toBe('')
    }),
    { numRuns: 3_000 },
  )
})
