import { AGENT_VERDICTS } from '@ostler/proxy/model/agent-verdict.ts'
import { explainDesktop } from '@ostler/proxy/store/explanation.ts'
import { noteAgent } from '@ostler/proxy/store/agent-verdicts.ts'
import { claimHome } from '@ostler/proxy/store/homes.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import { addImage } from '@ostler/proxy/store/images.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addPoolClaim, tendPool } from '@ostler/proxy/store/pools.ts'
import { addWish, moveVm } from '@ostler/proxy/store/vms.ts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { adminApi } from '../fixtures/admin-api.ts'
import { addTestDesktop, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTestPool } from '../pools/pool-rows.ts'

/** What the api tells with its own rights, out of what hkd has written. */
let database: TestDatabase
let db: Db
let hostId: number
let id: number
let count = 0

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  hostId = await registerHost(db, 'node1', 100_000, 6)
  await setHostState(db, hostId, 'running')
})
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(async () => {
  id = await addTestDesktop(db, `10.4.0.${++count}`)
})

const said = async (): Promise<string> => (await explainDesktop(database.as('api'), id)).because.join('\n')
const flavourOf = async (): Promise<number> =>
  (await db.selectFrom('vm').select('flavour_id').where('id', '=', id).executeTakeFirstOrThrow()).flavour_id
const order = (): Promise<number> => addWish(db, { vmId: id, kind: 'run', by: 'administrator', reason: 'qa' })

test('a desktop that nobody wishes rests', async () => {
  expect(await said()).toMatch(/^desk\d+ is stopped\. So it is since .*\.\nNobody wishes anything of it/)
})

test('a wish, and what holds it: no image, then nothing', async () => {
  await order()
  expect(await said()).toMatch(
    /What decides: administrator wants it to run \(qa\)[^]*no image with the tag default/,
  )
  await addImage(db, { flavourId: await flavourOf(), name: `i${count}`, kind: 'instant', path: '/' }, {})
  expect(await said()).toContain('Nothing holds it')
})

test('blocks, of desktop and user', async () => {
  const { user_id } = await db.selectFrom('vm').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  await db.updateTable('vm').set({ blocked: true }).where('id', '=', id).execute()
  await db.updateTable('users').set({ blocked: true }).where('id', '=', user_id).execute()
  expect(await said()).toContain('Blocked: the desktop, its user.')
})

test('maintenance, of desktop, flavour and the only node', async () => {
  await order()
  await db.updateTable('vm').set({ maintenance: 'new disks' }).where('id', '=', id).execute()
  const flavourId = await flavourOf()
  await db.updateTable('flavour').set({ maintenance: 'update' }).where('id', '=', flavourId).execute()
  await db.updateTable('host').set({ maintenance: 'repair' }).where('id', '=', hostId).execute()
  const text = await said()
  await db.updateTable('host').set({ maintenance: null }).where('id', '=', hostId).execute()
  expect(text).toContain('No node takes desktops now')
  expect(text).toMatch(/Looked after: the desktop\..*new disks\.\nLooked after: its flavour\..*update\./)
})

test('a desktop of a pool: free, of a user, and until it was reset', async () => {
  const pool = await addTestPool(db, { size: 1 })
  id = pool.desktops[0] ?? 0
  expect(await said()).toContain(`of the pool ${pool.name}: nobody has it, and it is free.`)
  const ann = await addTestUser(db, { login: 'ann' })
  await addPoolClaim(db, pool.id, ann, 60)
  expect(await said()).toContain(`One waits for a desktop of ${pool.name}.`)
  await tendPool(db, pool.id)
  expect(await said()).toContain(`of the pool ${pool.name}: ann has it.`)
  await moveVm(db, { vm: { id, state: 'stopped', epoch: 0 }, event: 'start', to: 'preparing', hostId })
  await moveVm(db, { vm: { id, state: 'preparing', epoch: 1 }, event: 'fault', to: 'failed', hostId: null })
  const told = db.selectFrom('notice').select('login').where('vm_id', '=', id).where('kind', '=', 'failure')
  expect(await told.execute()).toEqual([{ login: 'ann' }])
  await tendPool(db, pool.id)
  await order()
  expect(await said()).toMatch(
    /nobody has it\.\nIt holds data of ann, .* reset, by node1, [^]*It waits for its reset/,
  )
})

test('another desktop that has its home', async () => {
  const { user_id, flavour_id } = await db
    .selectFrom('vm')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  const row = { name: `sharer${count}`, user_id, flavour_id, address: '10.5.0.1' }
  const other = await db.insertInto('vm').values(row).returning('id').executeTakeFirstOrThrow()
  const boot = { vmId: other.id, epoch: 1, hostId, hypervisor: 'lxc' } as const
  expect(await claimHome(db, boot)).toBe(true)
  await order()
  expect(await said()).toContain(`The desktop sharer${count} has the same home`)
})

test('a failure with code, cure, the next try and the console of that boot', async () => {
  const fault = { text: 'no init', code: 'container.failed', cure: 'Mend the image.' }
  await moveVm(db, { vm: { id, state: 'stopped', epoch: 3 }, event: 'start', to: 'preparing' })
  await moveVm(db, {
    vm: { id, state: 'preparing', epoch: 4 },
    event: 'fault',
    to: 'failed',
    fault,
    console: 'Kernel panic',
    retryInMs: 60_000,
  })
  await addWish(db, { vmId: id, kind: 'spare', by: 'pool', reason: 'kept ready' })
  const { because, console } = await explainDesktop(database.as('api'), id)
  expect(because.join('\n')).toMatch(
    /has failed[^]*pool wants it to be kept ready[^]*not tried again before 20[^]*What went wrong last: no init \[container\.failed\]\.\nWhat to try: Mend the image\./,
  )
  expect(console).toMatchObject({ boot: 4, said: 'Kernel panic' })
})

test.each(AGENT_VERDICTS)('an agent of which %s is known', async (verdict) => {
  await moveVm(db, { vm: { id, state: 'stopped', epoch: 3 }, event: 'start', to: 'preparing' })
  await moveVm(db, { vm: { id, state: 'preparing', epoch: 4 }, event: 'prepared', to: 'booting' })
  await moveVm(db, { vm: { id, state: 'booting', epoch: 4 }, event: 'agentUp', to: 'running' })
  const found = { verdict, said: 'what it said', sinceMs: 5_000 }
  expect(await noteAgent(db, { id, epoch: 4 }, found, true)).toBe(true)
  expect(await noteAgent(db, { id, epoch: 4 }, found, true)).toBe(false)
  expect(await noteAgent(db, { id, epoch: 3 }, { ...found, verdict: 'hung' }, true)).toBe(false)
  const { because, log } = await explainDesktop(database.as('api'), id)
  expect(because.join('\n').includes('Its agent ')).toBe(verdict !== 'answers')
  expect(log[0]).toMatchObject({ event: `agent ${verdict}`, prior: 'running', state: 'running' })
})

test('the api takes a reset for a wish of an administrator, and no wish that it does not know', async () => {
  const unused = (): never => {
    throw new Error('not asked for here')
  }
  const app = adminApi(database, '/nowhere/node.conf', { door: unused })
  const { name } = await db.selectFrom('vm').select('name').where('id', '=', id).executeTakeFirstOrThrow()
  const post = async (kind: string): Promise<number> => {
    const init = {
      method: 'POST',
      body: JSON.stringify({ kind }),
      headers: { 'Content-Type': 'application/json' },
    }
    return (await app.request(`/v1/desktops/${name}/wishes`, init)).status
  }
  expect(await post('reset')).toBe(201)
  expect(await post('fence')).toBe(400)
  const wishes = await db.selectFrom('wish').selectAll().where('vm_id', '=', id).execute()
  expect(wishes).toMatchObject([{ kind: 'reset', by: 'administrator', closed_at: null }])
  expect((await app.request('/v1/notices')).status).toBe(200)
  expect(await said()).toContain('Nobody wishes anything')
})

test('a door wishes nothing that lasts', async () => {
  const lasting = { vm_id: id, kind: 'run', by: 'ann', reason: 'connect', persistent: true } as const
  await expect(database.as('l7r').insertInto('wish').values(lasting).execute()).rejects.toThrow(
    /row-level security/,
  )
})
