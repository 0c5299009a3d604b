import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type HookEnd, onAction, sessionOf } from '../fixtures/hook-call.ts'
import { FAKETIME, SealedRoom } from '../fixtures/sealed-room.ts'

let room: SealedRoom

beforeAll(async () => {
  room = await SealedRoom.open()
})

afterAll(async () => {
  await room[Symbol.asyncDispose]()
})

/** 2 March 2026 is a Monday. @param at a moment in UTC, in which the desktop lives. */
function knock(at: string, properties: Record<string, string>): Promise<HookEnd> {
  const env = { LD_PRELOAD: FAKETIME, FAKETIME: at, TZ: 'UTC' }
  return onAction(room, 'office-hours', 'pre_connect', sessionOf('ann', properties), { env })
}

describe('office-hours', () => {
  test.each([
    ['in the hours', '2026-03-02 08:00:00', '08:00-18:00', '1-5'],
    ['in the last minute', '2026-03-06 17:59:59', '08:00-18:00', '1-5'],
    ['in the second of two periods', '2026-03-02 13:30:00', '08:00-12:00, 13:00-18:00', '1-5'],
    ['past midnight, begun on a Friday', '2026-03-07 05:59:00', '22:00-06:00', '1-5'],
    ['past midnight, begun on a Sunday', '2026-03-02 05:00:00', '22:00-06:00', '7'],
    ['at the end of the day', '2026-03-02 23:59:00', '00:00-24:00', '1'],
  ])('lets people in %s', async (_, at, hours, days) => {
    expect(await knock(at, { hours, 'hours.days': days })).toEqual({ code: 0, said: '' })
  })

  test.each([
    ['before the hours', '2026-03-02 07:59:59', '08:00-18:00', '1-5'],
    ['at their end', '2026-03-02 18:00:00', '08:00-18:00', '1-5'],
    ['between two periods', '2026-03-02 12:30:00', '08:00-12:00,13:00-18:00', '1-5'],
    ['at the weekend', '2026-03-07 10:00:00', '08:00-18:00', '1-5'],
    ['past midnight of a day on which nothing began', '2026-03-02 05:00:00', '22:00-06:00', '1-5'],
  ])('refuses %s', async (_, at, hours, days) => {
    expect(await knock(at, { hours, 'hours.days': days })).toMatchObject({ code: 1 })
  })

  test('says when desktops open', async () => {
    const { said } = await knock('2026-03-07 10:12:00', { hours: '08:00-18:00', 'hours.days': '1-4,6' })
    expect(said).toBe('')
    const refusal = await knock('2026-03-08 10:12:00', { hours: '08:00-18:00', 'hours.days': '1-4,6' })
    expect(refusal.said).toBe(
      'Desktops open Monday to Thursday, Saturday 08:00-18:00. It is Sunday 10:12 now.\n',
    )
  })

  test('goes by the time zone of the office, not by the client', async () => {
    const office = { hours: '08:00-18:00', 'hours.timezone': 'Asia/Tokyo' }
    expect(await knock('2026-03-02 01:00:00', office)).toMatchObject({ code: 0 })
    const late = await knock('2026-03-02 10:00:00', { ...office, 'qvd.client.timezone': 'UTC' })
    expect(late.said).toMatch('19:00 now')
    expect(late.code).toBe(1)
  })

  test('without the property desktops open always', async () => {
    expect(await knock('2026-03-07 03:00:00', {})).toEqual({ code: 0, said: '' })
  })

  test.each([
    { hours: '8-18' },
    { hours: '08:00-25:00' },
    { hours: '08:00-08:00' },
    { hours: '08:00-18:00', 'hours.days': 'mon-fri' },
    { hours: '08:00-18:00', 'hours.days': '5-1' },
    { hours: '00:00-24:00', 'hours.timezone': '../../../etc/passwd' },
    { hours: '00:00-24:00', 'hours.timezone': 'Nowhere/Land' },
  ])('refuses everybody when a property cannot be read: %o', async (properties) => {
    const { code, said } = await knock('2026-03-02 10:00:00', properties)
    expect(said).toMatch(/cannot be read/)
    expect(code).toBe(1)
  })
})
