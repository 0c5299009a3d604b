import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import { hostByName, setMaintenance } from '@ostler/proxy/store/maintenance.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { placeVm } from '@ostler/proxy/store/placing.ts'
import { findVm, planVm, serveWishes, addWish } from '@ostler/proxy/store/vms.ts'
import { mergeWishes } from '@ostler/proxy/model/wish.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

let database: TestDatabase
let db: Db
let api: Db
let host: number
let vm: number
let last = 0

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  api = database.as('api')
  host = await registerHost(db, 'node', 100_000, 100)
  await setHostState(db, host, 'running')
})
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(async () => {
  vm = await addTestDesktop(db, `10.6.0.${++last}`)
  await sql`UPDATE ostler.host SET maintenance = NULL`.execute(db)
  await sql`UPDATE ostler.vm SET state = 'running', prior = 'running', host_id = ${host} WHERE id = ${vm}`.execute(
    db,
  )
})

const said = async (): Promise<string | null | undefined> =>
  (await findVm(database.as('l7r'), vm))?.maintenance
const idOf = async (kind: 'vm' | 'user' | 'osf' | 'host'): Promise<number> => {
  const row = await db
    .selectFrom('vm')
    .select(['id', 'user_id', 'flavour_id'])
    .where('id', '=', vm)
    .executeTakeFirstOrThrow()
  return { vm: row.id, user: row.user_id, osf: row.flavour_id, host }[kind]
}

test.each(['vm', 'user', 'osf', 'host'] as const)(
  'a desktop whose %s is looked after says so, until it is open again',
  async (kind) => {
    expect(await setMaintenance(api, kind, await idOf(kind), 'new disks', false)).toBe(0)
    expect(await said()).toBe('new disks')
    expect((await planVm(db, vm))?.wishes).toEqual([])
    await setMaintenance(api, kind, await idOf(kind), null, true)
    expect(await said()).toBeNull()
  },
)

test.each(['vm', 'user', 'osf', 'host'] as const)(
  'what runs of a %s is stopped by order, and an administrator starts it again',
  async (kind) => {
    const stopping = await setMaintenance(api, kind, await idOf(kind), 'new disks', true)
    expect(stopping).toBeGreaterThanOrEqual(1)
    const merged = mergeWishes((await planVm(db, vm))?.wishes ?? [])
    expect(merged).toMatchObject({ goal: 'down', wish: { kind: 'maintenance', reason: 'new disks' } })
    await serveWishes(db, vm, 'down', 'stopped')
    await addWish(api, { vmId: vm, kind: 'run', by: 'administrator', reason: 'qa' })
    expect(mergeWishes((await planVm(db, vm))?.wishes ?? [])?.goal).toBe('up')
  },
)

test('an order to stop for maintenance goes before every wish to run', async () => {
  await setMaintenance(api, 'vm', vm, 'new disks', true)
  await addWish(api, { vmId: vm, kind: 'run', by: 'administrator', reason: 'qa' })
  expect(mergeWishes((await planVm(db, vm))?.wishes ?? [])?.goal).toBe('down')
})

test('nothing is placed on a node that is looked after', async () => {
  await sql`UPDATE ostler.vm SET state = 'stopped', prior = 'stopped', host_id = NULL WHERE id = ${vm}`.execute(
    db,
  )
  await setMaintenance(api, 'host', await hostByName(api, 'node'), 'new disks', false)
  await addWish(api, { vmId: vm, kind: 'run', by: 'administrator', reason: 'qa' })
  const plan = await planVm(db, vm)
  if (plan === undefined) throw new Error('no desktop')
  const placed = await placeVm(db, {
    move: { vm: plan, event: 'start', to: 'preparing' },
    ...{ memoryMb: 1, userId: 0, choose: (hosts) => hosts[0]?.id },
  })
  expect(placed).toEqual({ refusal: 'no node takes desktops now' })
})

test('a door cannot end it', async () => {
  await expect(setMaintenance(database.as('l7r'), 'vm', vm, null, false)).rejects.toThrow(/permission denied/)
})
