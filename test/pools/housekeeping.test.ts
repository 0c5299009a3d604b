import { Gate } from '@ostler/kit/gate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { leastLoaded } from '@ostler/proxy/balance/balancer.ts'
import { HkdMetrics } from '@ostler/proxy/hkd/hkd-metrics.ts'
import { Housekeeper } from '@ostler/proxy/hkd/housekeeper.ts'
import { PoolKeeper } from '@ostler/proxy/hkd/pool-keeper.ts'
import { inTurn } from '@ostler/proxy/hypervisor/in-turn.ts'
import { explainDesktop } from '@ostler/proxy/store/explanation.ts'
import { listenForHints } from '@ostler/proxy/store/hints.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addPoolClaim, readPoolClaim } from '@ostler/proxy/store/pools.ts'
import { addWish } from '@ostler/proxy/store/vms.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { testTrust } from '../fixtures/trust.ts'
import { until } from '../fixtures/world.ts'
import { simulatedRoom } from '../hypervisor/simulated-room.ts'
import { addTestPool } from './pool-rows.ts'

/** The real housekeeping and the keeper of pools over a real database and machines that are scripts. */

let scope: Scope
let database: TestDatabase
let db: Db
/** What resets of the driver leave. */
let leaves: readonly string[]

beforeEach(async () => {
  scope = new Scope()
  leaves = []
  database = scope.own(await openTestDatabase())
  db = database.as('hkd')
  const hostId = await registerHost(db, 'node', 100_000, 6)
  await setHostState(db, hostId, 'running')
  const room = scope.own(await simulatedRoom({}))
  const simulated = room.open()
  const driver = inTurn({
    ...simulated,
    written: async (id) => [...(await simulated.written(id)), ...leaves],
  })
  const housekeeper = new Housekeeper({
    db,
    hostId,
    hypervisors: { usual: 'simulated', by: () => driver },
    balancer: leastLoaded,
    trust: await testTrust(),
    run: room.run,
    displayUid: 0,
    homesShared: false,
    imageGate: new Gate(1, 100),
    patience: { attempts: 2, ms: 1_500 },
    retries: { firstMs: 50, longestMs: 60_000, failuresMax: 3 },
    remindMs: 3_600_000,
    metrics: new HkdMetrics(() => Promise.resolve({})),
    log: silentLog,
  })
  scope.own(housekeeper)
  housekeeper.start()
  const look = (id: number): void => housekeeper.look(id)
  const keeper = { db, hostId, look, waiting: () => Promise.resolve([]), log: silentLog }
  const pools = scope.own(new PoolKeeper(keeper))
  const onHint = (_: unknown, id: number | undefined): void => {
    pools.look()
    if (id !== undefined) housekeeper.look(id)
  }
  scope.own(listenForHints(database.address('hkd'), ['ostler_vm'], onHint, silentLog))
})
afterEach(() => scope[Symbol.asyncDispose]())

const row = (id: number) => db.selectFrom('vm').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
const untilRow = (
  id: number,
  what: string,
  isSo: (vm: Awaited<ReturnType<typeof row>>) => boolean,
): Promise<void> => until(what, async () => isSo(await row(id)), 20_000)
const stop = (vmId: number): Promise<number> =>
  addWish(db, { vmId, kind: 'stop', by: 'administrator', reason: 'qa' })
async function come(poolId: number, user: number): Promise<number> {
  const claim = await addPoolClaim(db, poolId, user, 60)
  let vmId = 0
  await until('a desktop to be given', async () => {
    const state = await readPoolClaim(db, claim)
    if (state.kind === 'given') vmId = state.vmId
    return state.kind === 'given'
  })
  return vmId
}

test('a spare desktop runs, is given, and goes from hand to hand only through a reset', async () => {
  const { id: pool, desktops } = await addTestPool(db, { size: 1, spare: 1 })
  const [vm = 0] = desktops
  await untilRow(vm, 'the spare one to run', ({ state }) => state === 'running')
  const [ann, bob] = [await addTestUser(db), await addTestUser(db)]
  expect(await come(pool, ann)).toBe(vm)
  expect(await row(vm)).toMatchObject({ assigned_user_id: ann, dirty_user_id: ann, epoch: 1 })
  await stop(vm)
  expect(await come(pool, bob)).toBe(vm)
  const receipts = await db.selectFrom('vm_reset').selectAll().where('vm_id', '=', vm).execute()
  expect(receipts).toMatchObject([{ generation: 1, of_user_id: ann }])
  expect(await row(vm)).toMatchObject({ assigned_user_id: bob, dirty_user_id: bob })
})

test('a reset that leaves something keeps the desktop from everybody, says what it is, and is done again', async () => {
  const { id: pool, desktops } = await addTestPool(db, { size: 1, spare: 1 })
  const [vm = 0] = desktops
  await untilRow(vm, 'the spare one to run', ({ state }) => state === 'running')
  const ann = await addTestUser(db, { login: 'ann' })
  await come(pool, ann)
  leaves = ['/overlay']
  await stop(vm)
  await untilRow(vm, 'the reset to fail', ({ held }) => held?.includes('/overlay') === true)
  expect((await explainDesktop(db, vm)).because.join('\n')).toMatch(
    /holds data of ann, .* by node, .*\nSo far it was not reset: .*\/overlay/,
  )
  expect(await row(vm)).toMatchObject({ state: 'stopped', assigned_user_id: null, dirty_user_id: ann })
  leaves = []
  await untilRow(vm, 'the spare one to run again', ({ state, epoch }) => state === 'running' && epoch === 2)
  expect(await row(vm)).toMatchObject({ held: null, dirty_user_id: null })
})
