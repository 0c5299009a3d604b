import type { Finding } from '@ostler/contract/doctor.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BareDoor, openBareDoor } from '../fixtures/bare-door.ts'
import { openQaRoom, type QaRoom } from '../fixtures/qa-room.ts'
import { freePort } from '../fixtures/world.ts'

/** `qa doctor` before a real door and a real database, of which one part after the other is broken. */
let room: QaRoom
let door: BareDoor
const place = { port: 0 }

beforeAll(async () => {
  place.port = await freePort()
  room = await openQaRoom(() => ({
    door: () => ({ host: '127.0.0.1', port: place.port, certificate: 'PEM' }),
  }))
  door = await openBareDoor(room.database, room.folder, place.port, {})
  const db = room.database.as('hkd')
  await sql`
    UPDATE ostler.host SET state = 'running', seen_at = now() + interval '1 hour', memory_mb = 4096,
      door_address = '127.0.0.1', door_port = ${place.port}`.execute(db)
  for (const words of ['user add login=ann', 'osf add name=office', 'di add osf=office kind=instant'])
    expect((await room.qa(words)).failed).toBeUndefined()
  await room.qa('vm add name=desk user=ann osf=office')
})
afterAll(async () => {
  await door[Symbol.asyncDispose]()
  await room[Symbol.asyncDispose]()
})

async function doctor(desktop?: string): Promise<readonly Finding[]> {
  const { lines } = await room.qa(`doctor --json${desktop === undefined ? '' : ` -f name=${desktop}`}`)
  return JSON.parse(lines.join('\n')) as Finding[]
}
const states = (found: readonly Finding[]): string =>
  found.map(({ hop, state }) => `${hop} ${state}`).join(', ')

test('where nothing is wrong it says so of each hop, with the days of the certificate', async () => {
  const { lines, failed } = await room.qa('doctor')
  expect(lines).toEqual([
    'ok      api       it answers',
    expect.stringMatching(/^ok {6}database {2}answers in \d+ ms, \d+ of \d+ connections$/),
    // The certificates of this test are short.
    expect.stringMatching(
      /^ok {6}door {6}the door of door-\d+ at 127\.0\.0\.1:\d+ answers in \d+ ms; its certificate ends in 1 days$/,
    ),
    expect.stringContaining('qa config ssl'),
    expect.stringMatching(/^ok {6}node {6}door-\d+ lives, 0 of 4096 MB promised$/),
  ])
  expect(failed).toBeUndefined()
})

test('of a desktop that nobody has opened it says what cannot be known yet', async () => {
  const found = await doctor('desk')
  expect(states(found)).toBe(
    'api ok, database ok, door ok, node ok, image ok, desktop unknown, agent unknown, display unknown',
  )
  expect((await room.qa('doctor -f name=nowhere')).failed).toMatchObject({ code: 'object.unknown' })
})

/** What is broken, in the rows that hkd and the doors write, and which hop is to be blamed with which words. */
const RUNS = `UPDATE ostler.vm SET prior = 'booting', state = 'running', host_id = 1, epoch = 3, agent_verdict = 'answers',
  agent_since = now()`
const BROKEN: readonly (readonly [
  what: string,
  breaks: string,
  mends: string,
  blamed: string,
  words: RegExp,
])[] = [
  [
    'a node that is silent',
    `UPDATE ostler.host SET seen_at = now() - interval '1 minute'`,
    `UPDATE ostler.host SET seen_at = now() + interval '1 hour'`,
    'node',
    /last heard of \d+ s ago/,
  ],
  [
    'a node that is blocked',
    'UPDATE ostler.host SET blocked = true',
    'UPDATE ostler.host SET blocked = false',
    'node',
    /is blocked/,
  ],
  [
    'an image that is blocked',
    'UPDATE ostler.disk_image SET blocked = true',
    'UPDATE ostler.disk_image SET blocked = false',
    'image',
    /is blocked/,
  ],
  [
    'a tag without an image',
    `UPDATE ostler.vm SET di_tag = 'gone'`,
    `UPDATE ostler.vm SET di_tag = 'default'`,
    'image',
    /no image has its tag gone/,
  ],
  [
    'a user who is blocked',
    'UPDATE ostler.users SET blocked = true',
    'UPDATE ostler.users SET blocked = false',
    'desktop',
    /its user is blocked/,
  ],
  [
    'a start that failed',
    `UPDATE ostler.vm SET prior = 'killing', state = 'failed', agent_verdict = NULL, agent_since = NULL,
      fault = 'no room for its overlay', fault_cure = 'Make room.'`,
    `${RUNS}, fault = NULL, fault_cure = NULL`,
    'desktop',
    /no room for its overlay/,
  ],
  [
    'an agent that hangs',
    `UPDATE ostler.vm SET agent_verdict = 'hung', agent_said = 'nothing for 9 s'`,
    `UPDATE ostler.vm SET agent_verdict = 'answers', agent_said = NULL`,
    'agent',
    /hangs: nothing for 9 s/,
  ],
]

describe('of a desktop that runs', () => {
  beforeAll(async () => void (await sql.raw(RUNS).execute(room.database.as('hkd'))))

  test.each(BROKEN)('%s is blamed, and nothing behind it', async (_, breaks, mends, blamed, words) => {
    const hkd = room.database.as('hkd')
    expect((await room.qa('doctor -f name=desk')).failed).toBeUndefined()
    await sql.raw(breaks).execute(hkd)
    const found = await doctor('desk')
    const failed = found.filter(({ state }) => state === 'failed')
    expect(failed.map(({ hop }) => hop)).toEqual([blamed])
    expect(failed[0]?.said).toMatch(words)
    expect(failed[0]?.advice).toBeTruthy()
    const behind = found.slice(found.findIndex(({ state }) => state === 'failed') + 1)
    expect(behind.every(({ state }) => state === 'unknown')).toBe(true)
    const printed = await room.qa('doctor -f name=desk')
    expect(printed.failed).toMatchObject({ code: 'client.unhealthy', detail: { failed: 1 } })
    await sql.raw(mends).execute(hkd)
    expect((await room.qa('doctor -f name=desk')).failed).toBeUndefined()
  })

  test('its display is known once it was shown in this boot', async () => {
    const step = { vm_id: 1, epoch: 3, step: 'display ready' } as const
    await room.database.as('hkd').insertInto('timeline').values(step).execute()
    expect((await doctor('desk')).at(-1)).toMatchObject({ hop: 'display', state: 'ok' })
  })
})

test('a door that is shut is blamed', async () => {
  await door[Symbol.asyncDispose]()
  const shut = await doctor()
  expect(states(shut)).toBe('api ok, database ok, door failed, node ok')
  expect(shut[2]?.said).toMatch(/ECONNREFUSED/)
})
