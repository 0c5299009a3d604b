import { inTurn } from '@ostler/proxy/hypervisor/in-turn.ts'
import type { YardRulesInput } from '@ostler/proxy/hypervisor/simulated/script.ts'
import type { Trust } from '@ostler/proxy/hkd/trust.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import { addImage } from '@ostler/proxy/store/images.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addWish, wishOutcome } from '@ostler/proxy/store/vms.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addTestFlavour, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { keepHouseOver } from '../fixtures/kept-house.ts'
import { testTrust } from '../fixtures/trust.ts'
import { until } from '../fixtures/world.ts'
import { type SimulatedRoom, simulatedRoom } from '../hypervisor/simulated-room.ts'

/** The real housekeeping over machines that are scripts, whose agents speak the real protocol. */
type Script = NonNullable<NonNullable<YardRulesInput>['scripts']>[number]['script']

const WAIT_MS = 120_000

let database: TestDatabase
let db: Db
let trust: Trust
let room: SimulatedRoom
let house: AsyncDisposable
/** What the driver was told past the agent. */
let forced: string[]

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  trust = await testTrust()
})
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(async () => {
  for (const table of ['vm', 'disk_image', 'flavour', 'users', 'host'] as const)
    await db.deleteFrom(table).execute()
})
afterEach(async () => {
  await house[Symbol.asyncDispose]()
  await room[Symbol.asyncDispose]()
})

async function running(script: Script): Promise<number> {
  room = await simulatedRoom({ scripts: [{ script }] })
  const real = inTurn(room.open())
  forced = []
  const noting = (verb: 'powerOff' | 'kill') => (id: number) => {
    if (forced.at(-1) !== verb) forced.push(verb)
    return real[verb](id)
  }
  const driver = { ...real, powerOff: noting('powerOff'), kill: noting('kill') }
  const hostId = await registerHost(db, 'node', 100_000, 6)
  await setHostState(db, hostId, 'running')
  const place = { database, hostId, trust, kind: 'simulated', run: room.run } as const
  house = keepHouseOver({ ...place, driver, patienceMs: 600_000 })
  const flavourId = await addTestFlavour(db)
  await addImage(db, { flavourId, name: 'plain', kind: 'instant', path: '/' }, {})
  const values = {
    name: 'desktop',
    user_id: await addTestUser(db),
    flavour_id: flavourId,
    address: '10.1.0.9',
  }
  const { id } = await db.insertInto('vm').values(values).returning('id').executeTakeFirstOrThrow()
  await addWish(db, { vmId: id, kind: 'run', by: 'administrator', reason: 'qa' })
  await until('it to run', async () => (await row(id)).state === 'running')
  return id
}

const row = (id: number) => db.selectFrom('vm').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
const moves = async (id: number): Promise<string[]> =>
  (await db.selectFrom('vm_log').select('event').where('vm_id', '=', id).orderBy('id').execute())
    .map(({ event }) => event)
    .filter((event) => !event.startsWith('agent '))
    .slice(3)

async function stop(id: number): Promise<void> {
  const wish = await addWish(db, { vmId: id, kind: 'stop', by: 'administrator', reason: 'qa' })
  await until('it to stop', async () => (await row(id)).state === 'stopped', WAIT_MS)
  expect(await wishOutcome(db, wish)).toBe('stopped')
  expect(room.remains()).toEqual([])
}

describe('C-110: a stop', () => {
  test('is asked of the agent, and nothing else is needed', async () => {
    const id = await running({ haltMs: 500 })
    await stop(id)
    expect(forced).toEqual([])
    expect(await moves(id)).toEqual(['stop', 'exited'])
  })

  test('is asked of the driver where the agent does not answer', async () => {
    const id = await running({ haltMs: 500, agent: 'dies', agentLivesMs: 1_000 })
    await until('the agent to be missed', async () => (await row(id)).agent_verdict === 'unreachable')
    await stop(id)
    expect(forced).toEqual(['powerOff'])
    expect(await moves(id)).toEqual(['stop', 'exited'])
  })

  test('is forced when the desktop does not heed it in time, which is no fault of it', async () => {
    // The original waits for 180 s, beside a user who may wait for the next start; ours is the deadline of the state, 40 s.
    const id = await running({ haltMs: null })
    await stop(id)
    expect(forced).toEqual(['kill'])
    expect(await moves(id)).toEqual(['stop', 'deadline', 'exited'])
    expect(await row(id)).toMatchObject({ fault: null, failures: 0, host_id: null })
  }, 180_000)
})
