import {
  type FlavourStartDetail,
  type FlavourStarts,
  START_HOPS,
  type StartHop,
} from '@ostler/contract/slo.ts'
import type { TimelineStep } from '@ostler/contract/timeline.ts'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { openQaRoom, type QaRoom } from '../fixtures/qa-room.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { refuseStart } from '@ostler/proxy/store/slo.ts'
import { reachStep } from '@ostler/proxy/store/vms.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

/** What `qa slo` tells of timelines that are written as hkd and doors write them. */
let room: QaRoom
let hkd: Db
let desktops = 0
let desktop: number
let osf: string

beforeAll(async () => {
  room = await openQaRoom()
  hkd = room.database.as('hkd')
})
afterAll(async () => await room[Symbol.asyncDispose]())
beforeEach(async () => {
  desktop = await addTestDesktop(hkd, `10.3.16.${++desktops}`)
  const row = await hkd
    .selectFrom('vm')
    .innerJoin('flavour', 'flavour.id', 'flavour_id')
    .select('flavour.name')
    .where('vm.id', '=', desktop)
    .executeTakeFirstOrThrow()
  osf = row.name
})

/** What each hop takes usually, in seconds. */
const USUAL: Readonly<Record<StartHop, number>> = {
  ...{ queue: 0.5, preparation: 1, boot: 8, account: 2, session: 3, connection: 0.2 },
}
const ENDS: Readonly<Record<StartHop, TimelineStep>> = {
  queue: 'placed',
  preparation: 'prepared',
  boot: 'agent up',
  account: 'user ready',
  session: 'display ready',
  connection: 'connected',
}
let epoch = 10

/** Writes a start that somebody waited for, unless told otherwise. @param takes seconds, where they are not the usual ones. */
async function start(
  takes: Partial<Record<StartHop, number>> = {},
  { awaited = true, agoHours = 1 }: { awaited?: boolean; agoHours?: number } = {},
): Promise<void> {
  epoch++
  let at = Date.now() - agoHours * 3_600_000
  const reach = (step: TimelineStep): Promise<void> =>
    reachStep(hkd, desktop, epoch, step, new Date(at).toISOString())
  await reach('queued')
  for (const hop of START_HOPS) {
    at += (takes[hop] ?? USUAL[hop]) * 1_000
    await reach(ENDS[hop])
    if (hop === 'preparation') await reach('booting')
    if (hop !== 'boot') continue
    const wish = { vm_id: desktop, kind: 'run', by: 'ann', reason: 'connect', outcome: 'running' } as const
    await hkd
      .insertInto('wish')
      .values({ ...wish, interactive: awaited, closed_at: new Date(at - 1) })
      .execute()
  }
}

async function promise(seconds: number, percent = 98): Promise<void> {
  const { failed } = await room.qa(`osf edit -f name=${osf} slo_seconds=${seconds} slo_percent=${percent}`)
  expect(failed).toBeUndefined()
}

async function slo(): Promise<FlavourStartDetail> {
  const { lines, failed } = await room.qa(`slo -f name=${osf} --json`)
  expect(failed).toBeUndefined()
  return JSON.parse(lines.join('\n')) as FlavourStartDetail
}

test.each(START_HOPS)('five seconds more in the hop %s: that one is blamed', async (hop) => {
  await promise(18)
  for (let count = 0; count < 8; count++) await start()
  await start({ [hop]: USUAL[hop] + 5 })
  const told = await slo()
  expect(told).toMatchObject({ starts: 9, late: 1, failed: 0, blamed: hop })
  expect(told.worst).toMatchObject([
    { blamed: hop, hopMs: (USUAL[hop] + 5) * 1_000, usualMs: USUAL[hop] * 1_000, fault: null },
  ])
  const others = told.hops.filter((each) => each.hop !== hop)
  expect(told.hops.find((each) => each.hop === hop)).toMatchObject({ blamed: 1, lostMs: 5_000 })
  expect(others.every(({ blamed }) => blamed === 0)).toBe(true)
  const { lines } = await room.qa(`slo -f name=${osf}`)
  expect(lines.join('\n')).toMatch(new RegExp(`${hop} +${(USUAL[hop] + 5).toFixed(1)} s there, usually`))
})

test('while nobody knows what is usual, the longest hop is blamed', async () => {
  await promise(2)
  for (let count = 0; count < 3; count++) await start()
  expect(await slo()).toMatchObject({ late: 3, blamed: 'boot' })
})

describe('the error budget', () => {
  test('is what may go wrong, less what has', async () => {
    await promise(18, 90)
    for (let count = 0; count < 19; count++) await start()
    expect(await slo()).toMatchObject({ starts: 19, reached: 100, budget: 100, blamed: null })
    await start({ boot: 30 })
    expect(await slo()).toMatchObject({ starts: 20, reached: 95, budget: 50, medianMs: 14_700 })
    for (let count = 0; count < 2; count++) await start({ boot: 30 })
    expect((await slo()).budget).toBeLessThan(0)
  })

  test('counts starts that failed, where they did, and those for which there was no node', async () => {
    await promise(18, 90)
    for (let count = 0; count < 7; count++) await start()
    const failed = (prior: string, state: string) =>
      sql`
      INSERT INTO ostler.vm_log (vm_id, epoch, event, prior, state, fault)
      VALUES (${desktop}, ${++epoch}, 'fault', ${prior}, ${state}, 'as the test said')`.execute(hkd)
    await failed('booting', 'killing')
    // The second half of the same failure.
    await failed('killing', 'failed')
    await failed('preparing', 'failed')
    await refuseStart(hkd, { id: desktop, state: 'stopped', epoch }, 'no node has enough memory free')
    const told = await slo()
    expect(told).toMatchObject({ starts: 10, late: 0, failed: 3, reached: 70, budget: -200 })
    expect(told.worst.map(({ blamed, fault }) => [blamed, fault])).toEqual([
      ['queue', 'no node has enough memory free'],
      ['preparation', 'as the test said'],
      ['boot', 'as the test said'],
    ])
  })

  test('does not count what is older than was asked for', async () => {
    await promise(18)
    await start({ boot: 60 }, { agoHours: 49 })
    await start()
    expect(await slo()).toMatchObject({ starts: 2, late: 1 })
    const { lines } = await room.qa(`slo days=2 --json`)
    const all = JSON.parse(lines.join('\n')) as FlavourStarts[]
    expect(all.find((each) => each.osf === osf)).toMatchObject({ starts: 1, late: 0 })
  })
})

test('a start for which nobody waited ends when the desktop runs', async () => {
  await promise(10)
  await start({ account: 3_600 }, { awaited: false })
  expect(await slo()).toMatchObject({ starts: 1, late: 0, medianMs: 9_500 })
  expect((await slo()).hops.find(({ hop }) => hop === 'account')?.medianMs).toBeNull()
})

test('who left and came back later was not waiting all the time', async () => {
  await promise(10)
  await start({ account: 3_600 })
  expect(await slo()).toMatchObject({ starts: 1, late: 0, medianMs: 9_500 })
})

test('a start after one that failed begins with the failure, not with the wish', async () => {
  await promise(18)
  await start()
  const placed = sql<Date>`(SELECT at FROM ostler.timeline WHERE vm_id = ${desktop} AND epoch = ${epoch} AND step = 'placed')`
  await sql`UPDATE ostler.timeline SET at = at - interval '1 minute'
    WHERE vm_id = ${desktop} AND epoch = ${epoch} AND step = 'queued'`.execute(hkd)
  expect(await slo()).toMatchObject({ late: 1, blamed: 'queue' })
  await sql`
    INSERT INTO ostler.vm_log (vm_id, epoch, event, prior, state, at)
    VALUES (${desktop}, ${epoch - 1}, 'exited', 'booting', 'failed', ${placed} - interval '100 ms')`.execute(
    hkd,
  )
  expect(await slo()).toMatchObject({ starts: 2, late: 0, failed: 1, blamed: 'boot' })
})

test('without a promise times and failures are told, and nothing is late', async () => {
  await start({ boot: 600 })
  expect(await slo()).toMatchObject({ seconds: null, starts: 1, late: 0, reached: 100, budget: null })
  await promise(18)
  expect((await slo()).late).toBe(1)
  expect((await room.qa(['osf', 'edit', '-f', `name=${osf}`, 'slo_seconds='])).failed).toBeUndefined()
  expect(await slo()).toMatchObject({ seconds: null, late: 0 })
})

test('a flavour that promises is there before its first start, and a flavour that is none is not', async () => {
  await promise(30, 99.5)
  expect(await slo()).toMatchObject({ starts: 0, reached: null, budget: null, percent: 99.5 })
  const { lines } = await room.qa('slo')
  expect(lines.find((line) => line.startsWith(osf))).toMatch(/99\.5 % in 30 s/)
  expect((await room.qa('slo -f name=nowhere')).failed).toMatchObject({ code: 'object.unknown' })
  expect((await room.qa('slo week=2')).failed).toMatchObject({ code: 'client.choice' })
})
