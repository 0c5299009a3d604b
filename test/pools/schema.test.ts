import { silentLog } from '@ostler/kit/log.ts'
import { resetIfDue } from '@ostler/proxy/hkd/desktop/pooled-reset.ts'
import { type VmEvent, type VmState, next } from '@ostler/proxy/model/vm-machine.ts'
import { setFlavourLimits } from '@ostler/proxy/store/flavour-limits.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import {
  addPoolClaim,
  assignedDesktop,
  confirmReset,
  findPool,
  listPools,
  readPoolClaim,
  readResetFacts,
  renewPoolClaim,
  tendPool,
} from '@ostler/proxy/store/pools.ts'
import { addPool, deletePool, editPool } from '@ostler/proxy/store/pool-admin.ts'
import { claimSeat } from '@ostler/proxy/store/seats.ts'
import { moveVm } from '@ostler/proxy/store/vms.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addTestTenant, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { ScriptedHypervisor } from '../fixtures/scripted-hypervisor.ts'
import { addTestPool, ADDRESSES } from './pool-rows.ts'

/** The tables refuse what must not be, whichever program asks for it. */

let database: TestDatabase
let db: Db
let door: Db
let hosts: number[]
let ann: number
let bob: number

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  door = database.as('l7r')
})
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(async () => {
  hosts = []
  for (const name of ['one', 'two']) {
    const id = await registerHost(db, name, 1_000_000, 100)
    await setHostState(db, id, 'running')
    hosts.push(id)
  }
  ann = await addTestUser(db)
  bob = await addTestUser(db)
})

const WAY: Partial<Record<VmState, Partial<Record<VmState, readonly VmEvent[]>>>> = {
  stopped: { running: ['start', 'prepared', 'agentUp'] },
  failed: { running: ['reset', 'start', 'prepared', 'agentUp'], stopped: ['reset'] },
  running: { stopped: ['stop', 'exited'], failed: ['stop', 'deadline', 'fault'] },
}

async function rowOf(id: number) {
  return await db.selectFrom('vm').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
}

/** Moves a desktop along its table, as hkd does. */
async function bring(
  id: number,
  to: 'running' | 'stopped' | 'failed',
  hostId = hosts[0] ?? 0,
): Promise<void> {
  const from = (await rowOf(id)).state
  for (const event of WAY[from]?.[to] ?? []) {
    const vm = await rowOf(id)
    const state = next(vm.state, event)
    if (state === undefined) throw new Error(`no ${event} in ${vm.state}`)
    const placed =
      state === 'preparing' ? { hostId } : state === 'stopped' || state === 'failed' ? { hostId: null } : {}
    await moveVm(db, { vm, event, to: state, ...placed })
  }
}

async function assign(pool: number, user: number): Promise<number> {
  const claim = await addPoolClaim(door, pool, user, 60)
  await tendPool(db, pool)
  const state = await readPoolClaim(door, claim)
  if (state.kind !== 'given') throw new Error(`the claim is ${state.kind}`)
  return state.vmId
}

const sit = (vmId: number, user: number | null) => claimSeat(door, vmId, 'one/1', 'somebody', user)

describe('who comes', () => {
  test('ten at once to three desktops: three get one each, the others wait in their order', async () => {
    const pool = await addTestPool(db, { size: 3 })
    const users = await Promise.all(Array.from({ length: 10 }, () => addTestUser(db)))
    const claims: number[] = []
    for (const user of users) claims.push(await addPoolClaim(door, pool.id, user, 60))
    await Promise.all(Array.from({ length: 4 }, () => tendPool(db, pool.id)))
    const states = await Promise.all(claims.map((claim) => readPoolClaim(door, claim)))
    const given = states.flatMap((state) => (state.kind === 'given' ? [state.vmId] : []))
    expect(given.toSorted((a, b) => a - b)).toEqual(pool.desktops)
    expect(states.flatMap((state) => (state.kind === 'waiting' ? [state.position] : []))).toEqual([
      1, 2, 3, 4, 5, 6, 7,
    ])
    expect(states.slice(0, 3).every(({ kind }) => kind === 'given')).toBe(true)
  })

  test('twice at once, as from two clients, is given one desktop', async () => {
    const pool = await addTestPool(db)
    const claims = [await addPoolClaim(door, pool.id, ann, 60), await addPoolClaim(door, pool.id, ann, 60)]
    await tendPool(db, pool.id)
    const [first, second] = await Promise.all(claims.map((claim) => readPoolClaim(door, claim)))
    expect(first).toEqual(second)
    expect(first?.kind).toBe('given')
  })

  test('and goes away again waits no longer', async () => {
    const pool = await addTestPool(db, { size: 1 })
    await assign(pool.id, ann)
    const first = await addPoolClaim(door, pool.id, bob, 60)
    const second = await addPoolClaim(door, pool.id, await addTestUser(db), 60)
    await renewPoolClaim(door, first, 0)
    expect(await readPoolClaim(door, second)).toEqual({ kind: 'waiting', position: 1 })
  })

  test('gets a desktop that runs before one that would have to be started', async () => {
    const pool = await addTestPool(db, { spare: 1 })
    const third = pool.desktops[2] ?? 0
    await bring(third, 'running')
    expect(await assign(pool.id, ann)).toBe(third)
  })

  test('a pool has as many spare ones as it should, and no more', async () => {
    const pool = await addTestPool(db, { size: 5, spare: 2 })
    expect((await tendPool(db, pool.id)).spare).toHaveLength(2)
    expect((await tendPool(db, pool.id)).spare).toHaveLength(0)
    for (const id of pool.desktops.slice(0, 2)) await bring(id, 'running')
    await sql`UPDATE ostler.wish SET closed_at = now()`.execute(db)
    const claim = await addPoolClaim(door, pool.id, ann, 60)
    expect((await tendPool(db, pool.id)).spare).toHaveLength(1)
    expect((await readPoolClaim(door, claim)).kind).toBe('given')
  })

  test('a spare one that fails is waited for a while, then another one takes its place', async () => {
    const { id, desktops } = await addTestPool(db, { size: 2, spare: 1, most: 1 })
    const [broken = 0, other = 0] = desktops
    expect((await tendPool(db, id)).spare).toEqual([broken])
    const failed = {
      state: 'failed',
      prior: 'failed',
      state_since: sql<Date>`now() - interval '9 minutes'`,
    } as const
    await db.updateTable('vm').set(failed).where('id', '=', broken).execute()
    expect((await tendPool(db, id)).spare).toEqual([])
    const given = { state_since: sql<Date>`now() - interval '11 minutes'` }
    await db.updateTable('vm').set(given).where('id', '=', broken).execute()
    expect((await tendPool(db, id)).spare).toEqual([other])
  })

  test('is refused with the sentence of a pool that is looked after', async () => {
    const pool = await addTestPool(db, { spare: 1 })
    await db
      .updateTable('pool')
      .set({ maintenance: 'new office on Monday' })
      .where('id', '=', pool.id)
      .execute()
    const claim = await addPoolClaim(door, pool.id, ann, 60)
    expect((await tendPool(db, pool.id)).spare).toEqual([])
    expect(await readPoolClaim(door, claim)).toEqual({ kind: 'refused', reason: 'new office on Monday' })
  })
})

describe('a desktop that holds one user’s data', () => {
  test('is hers from the moment of the assignment, before she has come', async () => {
    const pool = await addTestPool(db)
    const row = await rowOf(await assign(pool.id, ann))
    expect(row).toMatchObject({ assigned_user_id: ann, dirty_user_id: ann })
    expect(row.dirty_since).not.toBeNull()
  })

  test('floating: is nobody’s after it has stopped, and nobody gets it before it was found empty', async () => {
    const pool = await addTestPool(db, { size: 1 })
    const [host = 0] = hosts
    const id = await assign(pool.id, ann)
    await bring(id, 'running')
    await bring(id, 'stopped')
    await tendPool(db, pool.id)
    expect(await rowOf(id)).toMatchObject({ assigned_user_id: null, dirty_user_id: ann })
    const claim = await addPoolClaim(door, pool.id, bob, 60)
    await tendPool(db, pool.id)
    expect((await readPoolClaim(door, claim)).kind).toBe('waiting')
    expect(await confirmReset(db, id, host)).toBe(true)
    await tendPool(db, pool.id)
    expect(await readPoolClaim(door, claim)).toEqual({ kind: 'given', vmId: id })
    expect(await db.selectFrom('vm_reset').selectAll().where('vm_id', '=', id).execute()).toMatchObject([
      { generation: 1, of_user_id: ann, host_id: host },
    ])
  })

  test('dedicated: stays hers', async () => {
    const pool = await addTestPool(db, { size: 1, assign: 'dedicated' })
    const id = await assign(pool.id, ann)
    await bring(id, 'running')
    await bring(id, 'stopped')
    await tendPool(db, pool.id)
    expect(await assignedDesktop(door, pool.id, ann)).toBe(id)
  })

  test('is not empty while another node has something of it', async () => {
    const pool = await addTestPool(db, { size: 1 })
    const id = await assign(pool.id, ann)
    for (const host of hosts) {
      await bring(id, 'running', host)
      await bring(id, 'stopped')
    }
    await tendPool(db, pool.id)
    expect(await confirmReset(db, id, hosts[0] ?? 0)).toBe(false)
    expect((await readResetFacts(db, id))?.remains).toEqual([hosts[1]])
    expect(await confirmReset(db, id, hosts[1] ?? 0)).toBe(true)
  })

  test.each<[string, (id: number, user: number) => ReturnType<typeof sql>]>([
    [
      'given to another',
      (id, user) =>
        sql`UPDATE ostler.vm SET assigned_user_id = ${user}, assigned_at = now() WHERE id = ${id}`,
    ],
    [
      'said to hold hers',
      (id, user) =>
        sql`UPDATE ostler.vm SET dirty_user_id = ${user}, assigned_user_id = ${user}, assigned_at = now(), dirty_since = now() WHERE id = ${id}`,
    ],
    [
      'called clean',
      (id) => sql`UPDATE ostler.vm SET dirty_user_id = NULL, dirty_since = NULL WHERE id = ${id}`,
    ],
    [
      'called clean as of another generation',
      (id) =>
        sql`UPDATE ostler.vm SET dirty_user_id = NULL, dirty_since = NULL, generation = generation + 1 WHERE id = ${id}`,
    ],
    ['owned by another', (id, user) => sql`UPDATE ostler.vm SET user_id = ${user} WHERE id = ${id}`],
    ['put out of its pool', (id) => sql`UPDATE ostler.vm SET pool_id = NULL WHERE id = ${id}`],
    [
      'started for nobody',
      (id) =>
        sql`UPDATE ostler.vm SET state = 'preparing', prior = 'stopped', host_id = ${hosts[0]}, epoch = epoch + 1 WHERE id = ${id}`,
    ],
    ['deleted', (id) => sql`DELETE FROM ostler.vm WHERE id = ${id}`],
  ])('cannot be %s, by the database’s own owner either', async (_, statement) => {
    const pool = await addTestPool(db, { size: 1 })
    const id = await assign(pool.id, ann)
    await bring(id, 'running')
    await bring(id, 'stopped')
    await tendPool(db, pool.id)
    await expect(statement(id, bob).execute(db)).rejects.toMatchObject({
      code: expect.stringMatching(/^23/) as string,
    })
    expect(await rowOf(id)).toMatchObject({ assigned_user_id: null, dirty_user_id: ann })
  })

  test('cannot be taken from her while it runs', async () => {
    const pool = await addTestPool(db, { size: 1 })
    const id = await assign(pool.id, ann)
    await bring(id, 'running')
    const take = sql`UPDATE ostler.vm SET assigned_user_id = NULL, assigned_at = NULL WHERE id = ${id}`
    await expect(take.execute(db)).rejects.toThrow(/runs for its user/)
  })

  test('has a seat for her alone, whatever a door has seen before', async () => {
    const pool = await addTestPool(db, { size: 1 })
    const id = await assign(pool.id, ann)
    await bring(id, 'running')
    for (const other of [bob, null])
      await expect(sit(id, other)).rejects.toMatchObject({ code: 'desktop.notHers' })
    await sit(id, ann)
    await bring(id, 'stopped')
    await tendPool(db, pool.id)
    await expect(sit(id, ann)).rejects.toMatchObject({ code: 'desktop.notHers' })
  })

  test('a desktop of no pool has a seat for whom its door lets in, and its owner never changes', async () => {
    const flavour = await db.selectFrom('flavour').select('id').executeTakeFirstOrThrow()
    const { id } = await db
      .insertInto('vm')
      .values({ name: `plain${ann}`, user_id: ann, flavour_id: flavour.id, address: `10.8.0.${ann % 250}` })
      .returning('id')
      .executeTakeFirstOrThrow()
    await bring(id, 'running')
    await sit(id, bob)
    const change = db.updateTable('vm').set({ user_id: bob }).where('id', '=', id).execute()
    await expect(change).rejects.toThrow(/cannot become another one's/)
  })
})

test('a reset that leaves something gives the desktop to nobody and says what it is; the next one goes on', async () => {
  const pool = await addTestPool(db, { size: 1 })
  const [host = 0] = hosts
  const id = await assign(pool.id, ann)
  await bring(id, 'running')
  await bring(id, 'stopped')
  await tendPool(db, pool.id)
  const parts = { db, hostId: host, log: silentLog }
  const vm = { id, poolId: pool.id }
  const driver = new ScriptedHypervisor()
  driver.leaves = ['/overlays/deleteme-7']
  await expect(resetIfDue(parts, vm, driver)).rejects.toMatchObject({ code: 'desktop.notReset' })
  expect(await rowOf(id)).toMatchObject({
    dirty_user_id: ann,
    held: expect.stringContaining('deleteme-7') as string,
  })
  driver.leaves = []
  driver.present.add(id)
  expect(await resetIfDue(parts, vm, driver)).toBe(false)
  expect((await rowOf(id)).dirty_user_id).toBe(ann)
  driver.present.delete(id)
  await resetIfDue(parts, vm, driver)
  expect(await rowOf(id)).toMatchObject({ dirty_user_id: null, held: null, generation: 1 })
  expect(await resetIfDue(parts, vm, driver)).toBe(true)
})

test('a door sees the pools of a tenant, and whether one is looked after', async () => {
  const pool = await addTestPool(db, { everyone: false, groups: ['staff'] })
  const found = await findPool(door, pool.id)
  expect(found).toMatchObject({
    name: pool.name,
    everyone: false,
    groups: ['staff'],
    logins: [],
    maintenance: null,
  })
  await db.updateTable('pool').set({ maintenance: 'exam' }).where('id', '=', pool.id).execute()
  expect(await listPools(door, found?.tenantId ?? 0)).toContainEqual({ ...found, maintenance: 'exam' })
  expect(await findPool(door, pool.desktops[0] ?? 0)).toBeUndefined()
})

test('a pool has no more desktops than its flavour may have, and none of another tenant’s', async () => {
  const pool = await addTestPool(db, { size: 2 })
  const { flavour_id, tenant_id } = await db
    .selectFrom('pool')
    .selectAll()
    .where('id', '=', pool.id)
    .executeTakeFirstOrThrow()
  const { name } = await db
    .selectFrom('flavour')
    .select('name')
    .where('id', '=', flavour_id)
    .executeTakeFirstOrThrow()
  await setFlavourLimits(db, name, { max_desktops: 3, max_per_user: 1 })
  expect(await editPool(db, pool.name, { size: 3 }, ADDRESSES)).toBe(3)
  await expect(editPool(db, pool.name, { size: 4 }, ADDRESSES)).rejects.toMatchObject({
    code: 'quota.reached',
  })
  const foreign = { name: 'foreign', memory_mb: 256, cpu_percent: 50, tenant_id: await addTestTenant(db) }
  const { id } = await db.insertInto('flavour').values(foreign).returning('id').executeTakeFirstOrThrow()
  const settings = { tag: 'default', assign: 'floating', size: 1, spare: 0, most: undefined } as const
  const rest = { stopMinutes: null, everyone: true, logins: [], groups: [] }
  const asked = { name: 'strangers', tenantId: tenant_id, flavourId: id, ...settings, ...rest }
  await expect(addPool(db, asked, ADDRESSES)).rejects.toMatchObject({ code: 'object.unknown' })
  expect(await db.selectFrom('pool').select('id').where('name', '=', 'strangers').execute()).toEqual([])
})

test('a pool becomes smaller by what is empty, and goes when all is', async () => {
  const pool = await addTestPool(db, { size: 4 })
  const id = await assign(pool.id, ann)
  expect(await editPool(db, pool.name, { size: 0 }, ADDRESSES)).toBe(1)
  await expect(deletePool(db, pool.name)).rejects.toMatchObject({ code: 'pool.setting' })
  await bring(id, 'running')
  await bring(id, 'failed')
  await tendPool(db, pool.id)
  await confirmReset(db, id, hosts[0] ?? 0)
  await deletePool(db, pool.name)
  expect(await db.selectFrom('pool').select('id').where('id', '=', pool.id).execute()).toEqual([])
})

/** `OSTLER_POOL_STATEMENTS` for a longer walk. */
const STATEMENTS = Number(process.env['OSTLER_POOL_STATEMENTS'] ?? 3_000)

test(`${STATEMENTS} random statements: nobody ever sits at a desktop with data of another one`, async () => {
  const pool = await addTestPool(db, { size: 3, spare: 1 })
  const users = [ann, bob, await addTestUser(db), await addTestUser(db)]
  // What really lies there: by desktop and node, whose.
  const disks = new Map<string, number>()
  let state = 41
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const pick = <T>(list: readonly T[]): T => {
    const found = list[random(list.length)]
    if (found === undefined) throw new Error('an empty list')
    return found
  }
  const outcomes = { seated: 0, refused: 0, reset: 0 }
  for (let done = 0; done < STATEMENTS; done++) {
    const [id, user, host] = [pick(pool.desktops), pick(users), pick(hosts)]
    switch (random(8)) {
      case 0:
        await addPoolClaim(door, pool.id, user, 60)
        break
      case 1:
      case 2:
        await tendPool(db, pool.id)
        break
      case 3:
        await bring(id, 'running', host).catch(() => {})
        break
      case 4:
        await bring(id, pick(['stopped', 'failed'])).catch(() => {})
        break
      case 5: {
        const row = await rowOf(id)
        if (row.state !== 'running') break
        try {
          await sit(id, user)
        } catch {
          outcomes.refused += 1
          break
        }
        const key = `${id} ${row.host_id}`
        expect(disks.get(key) ?? user, `user ${user} at desktop ${id}`).toBe(user)
        disks.set(key, user)
        outcomes.seated += 1
        break
      }
      case 6: {
        // As hkd does: only what is nobody's and at rest is removed, and only what is gone is confirmed.
        const facts = await readResetFacts(db, id)
        if (facts?.assignedTo !== null || !facts.remains.includes(host)) break
        if (facts.state === 'stopped' || facts.state === 'failed') disks.delete(`${id} ${host}`)
        break
      }
      case 7:
        if (disks.has(`${id} ${host}`)) break
        if (await confirmReset(db, id, host)) outcomes.reset += 1
        break
    }
    const rows = await db
      .selectFrom('vm')
      .select(['id', 'dirty_user_id'])
      .where('pool_id', '=', pool.id)
      .execute()
    const said = new Map(rows.map((row) => [row.id, row.dirty_user_id]))
    for (const [key, owner] of disks) expect(said.get(Number(key.split(' ')[0])), key).toBe(owner)
  }
  expect(Math.min(outcomes.seated, outcomes.refused, outcomes.reset)).toBeGreaterThan(10)
}, 300_000)
