import { afterEach, beforeEach, expect, test } from 'vitest'
import { type HookEnd, onAction, sessionOf } from '../fixtures/hook-call.ts'
import { type RoomScreen, SealedRoom } from '../fixtures/sealed-room.ts'

const RESTART = 0
const IN_ONE_HOUR = 1
const IN_FOUR_HOURS = 2
const HOUR = 3_600_000
const SNOOZE = '/run/ostler/expire-notice/snooze'

let room: SealedRoom
let screen: RoomScreen

beforeEach(async () => {
  room = await SealedRoom.open()
  await room.addUser('ann', 4242)
  screen = await room.openScreen('ann')
})

afterEach(async () => {
  await room[Symbol.asyncDispose]()
})

const SOFT = new Date(Date.now() - HOUR).toISOString()
const hardIn = (hours: number): string => new Date(Date.now() + hours * HOUR).toISOString()

function expire(soft: string, hard?: string): Promise<HookEnd> {
  const limit = hard === undefined ? {} : { 'vm.expiration.hard': hard }
  const extra = { 'vm.expiration.soft': soft, ...limit }
  return onAction(room, 'expire-notice', 'expire', sessionOf('ann'), { extra, screen })
}

/** What the windows on the screen were told to show. */
const windows = (): Promise<string> => room.shell('pgrep -u ann -a xmessage || :')
const untilShown = (): Promise<void> =>
  room.until('the window', () =>
    room.shell("xdotool search --onlyvisible --name '^Restart$'", screen.environment),
  )

async function answer(place: number): Promise<void> {
  await untilShown()
  await screen.clickButton('Restart', place)
  await room.until('the end of the window', async () => (await windows()) === '')
}

test('asks, and says when the desktop restarts by itself', async () => {
  const hard = '2099-07-05 18:30:00'
  expect(await expire(SOFT, hard)).toEqual({ code: 0, said: 'ann is asked.\n' })
  await untilShown()
  expect(await windows()).toContain('On Sunday, 05 July, at 18:30 it restarts by itself.')
})

test('does not put a second window over the first', async () => {
  await expire(SOFT)
  await untilShown()
  expect(await expire(SOFT)).toEqual({ code: 0, said: 'ann has not answered yet.\n' })
  expect(await room.shell('pgrep -c -u ann xmessage')).toBe('1')
})

test('asks again when she closed the window without an answer', async () => {
  await expire(SOFT)
  await untilShown()
  await room.shell('pkill -u ann xmessage')
  await room.until('its end', async () => (await expire(SOFT)).said === 'ann is asked.\n')
  await untilShown()
})

test.each([
  [IN_ONE_HOUR, 1],
  [IN_FOUR_HOURS, 4],
])('answer %i keeps it quiet for %i hours, and then it asks again', async (place, hours) => {
  await expire(SOFT)
  const before = Date.now()
  await answer(place)
  await room.until('the answer to be kept', () => room.read(SNOOZE))
  const until = Number(room.read(SNOOZE).split(' ')[0]) * 1000
  expect(until).toBeGreaterThan(before + (hours - 1) * HOUR)
  expect(until).toBeLessThan(before + hours * HOUR)
  const { code, said } = await expire(SOFT)
  expect(said).toMatch(/^ann wants to be asked again at /)
  expect(code).toBe(0)
  expect(await windows()).toBe('')
  // As if that time were over.
  await room.shell(`sed -i 's/^[0-9]*/1000000000/' ${SNOOZE}`)
  expect(await expire(SOFT)).toEqual({ code: 0, said: 'ann is asked.\n' })
  await untilShown()
})

test('another limit is another question', async () => {
  await expire(SOFT)
  await answer(IN_FOUR_HOURS)
  await room.until('the answer to be kept', () => room.read(SNOOZE))
  expect(await expire(SOFT, hardIn(9))).toEqual({ code: 0, said: 'ann is asked.\n' })
})

test('offers no delay that reaches past the hard limit', async () => {
  await expire(SOFT, hardIn(2))
  await untilShown()
  expect(await windows()).toContain('-buttons Restart now:10,In one hour:21 ')
  await room.shell('pkill -u ann xmessage')
  await room.until('its end', async () => (await expire(SOFT, hardIn(0.5))).said === 'ann is asked.\n')
  await untilShown()
  expect(await windows()).toContain('-buttons Restart now:10 ')
})

test('restarts when she wants it', async () => {
  await expire(SOFT)
  await untilShown()
  const clicked = screen.clickButton('Restart', RESTART).catch(() => {}) // the room may be gone under it
  await room.halted()
  await clicked
})

test('an answer is kept where only root can write', async () => {
  await expire(SOFT)
  await answer(IN_ONE_HOUR)
  await room.until('the answer to be kept', () => room.read(SNOOZE))
  await expect(room.shellAs('ann', `cat ${SNOOZE}`)).rejects.toThrow('Permission denied')
})

test('without a session there is nobody to ask', async () => {
  const extra = { 'vm.expiration.soft': SOFT }
  expect(await onAction(room, 'expire-notice', 'expire', sessionOf('ann'), { extra })).toEqual({
    code: 0,
    said: 'No session is open: there is nobody to ask.\n',
  })
})

test.each(['tomorrow', '$(id)', '2026-99-99', '-1'])('refuses «%s» as a date', async (soft) => {
  const { code, said } = await expire(soft)
  expect({ code, said }).toEqual({ code: 1, said: `vm.expiration.soft is not a date: ${soft}.\n` })
  expect(await windows()).toBe('')
})
