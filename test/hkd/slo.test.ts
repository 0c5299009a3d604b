import type { FlavourStartDetail } from '@ostler/contract/slo.ts'
import { inTurn } from '@ostler/proxy/hypervisor/in-turn.ts'
import type { YardRulesInput } from '@ostler/proxy/hypervisor/simulated/script.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import { addImage } from '@ostler/proxy/store/images.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addWish, wishOutcome } from '@ostler/proxy/store/vms.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { keepHouseOver } from '../fixtures/kept-house.ts'
import { openQaRoom, type QaRoom } from '../fixtures/qa-room.ts'
import { testTrust } from '../fixtures/trust.ts'
import { until } from '../fixtures/world.ts'
import { simulatedRoom } from '../hypervisor/simulated-room.ts'

/** What `qa slo` tells of starts by the real housekeeping, of machines that are scripts. */
type Script = NonNullable<NonNullable<YardRulesInput>['scripts']>[number]['script']

const LATE_MS = 5_000

let room: QaRoom
let db: Db
let hostId: number
let desktops = 0

beforeAll(async () => {
  room = await openQaRoom()
  db = room.database.as('hkd')
  hostId = await registerHost(db, 'node', 100_000, 6)
  await setHostState(db, hostId, 'running')
})
afterAll(async () => await room[Symbol.asyncDispose]())

/** Has a desktop that promises to run within 4 s started once. @returns what is told of its flavour. */
async function startOnce(
  script: Script,
  beforeHouseIsKept: () => Promise<unknown>,
): Promise<FlavourStartDetail> {
  const desktop = await addTestDesktop(db, `10.3.17.${++desktops}`)
  const flavour = await db
    .selectFrom('vm')
    .innerJoin('flavour', 'flavour.id', 'flavour_id')
    .select(['flavour.id', 'flavour.name'])
    .where('vm.id', '=', desktop)
    .executeTakeFirstOrThrow()
  await addImage(db, { flavourId: flavour.id, kind: 'instant', path: '/' }, {})
  await room.qa(`osf edit -f name=${flavour.name} slo_seconds=4`)
  await using machines = await simulatedRoom({ scripts: [{ script }] })
  const driver = inTurn(machines.open())
  const wish = await addWish(db, { vmId: desktop, kind: 'run', by: 'administrator', reason: 'qa' })
  await beforeHouseIsKept()
  await using _ = keepHouseOver({
    ...{
      database: room.database,
      hostId,
      trust: await testTrust(),
      kind: 'simulated',
      driver,
      run: machines.run,
    },
    patienceMs: 60_000,
  })
  await until('the start to end', async () => (await wishOutcome(db, wish)) !== undefined, 60_000)
  const { lines, failed } = await room.qa(`slo -f name=${flavour.name} --json`)
  expect(failed).toBeUndefined()
  return JSON.parse(lines.join('\n')) as FlavourStartDetail
}

const nothing = (): Promise<void> => Promise.resolve()

test.each([
  ['queue', {}, () => sleep(LATE_MS)],
  ['preparation', { prepareMs: LATE_MS }, nothing],
  ['boot', { bootMs: LATE_MS }, nothing],
  ['boot', { agentMs: LATE_MS }, nothing],
] as const)('five seconds more in the hop %s (%o): that one is blamed', async (hop, script, before) => {
  const told = await startOnce(script, before)
  expect(told).toMatchObject({ starts: 1, late: 1, failed: 0, reached: 0, blamed: hop })
  const [bad] = told.worst
  expect(bad).toMatchObject({ blamed: hop, fault: null })
  expect(bad?.hopMs).toBeGreaterThanOrEqual(LATE_MS - 100)
})

test.each([
  ['preparation', { prepareFails: 'no space left on device' }, /no space left on device/],
  ['boot', { bootFails: 'no init' }, /no init/],
  ['boot', { livesMs: 50, agentMs: null }, /ended before its agent answered/],
] as const)('a start that fails in the hop %s (%o) is counted there, once', async (hop, script, fault) => {
  const told = await startOnce(script, nothing)
  expect(told).toMatchObject({ starts: 1, late: 0, failed: 1, reached: 0, blamed: hop })
  expect(told.worst).toMatchObject([{ blamed: hop, tookMs: null, hopMs: null }])
  expect(told.worst[0]?.fault).toMatch(fault)
})
