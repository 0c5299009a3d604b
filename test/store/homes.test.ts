import { homeKind, usualHomePath } from '@ostler/proxy/model/home.ts'
import { addFlavour, flavourByName } from '@ostler/proxy/store/admin.ts'
import {
  adoptHome,
  deleteDesktop,
  deleteFlavour,
  deleteUser,
  listHomes,
  purgeHome,
  restoreHome,
  setHomeLimit,
  trashHome,
  trashOwnerless,
} from '@ostler/proxy/store/home-trash.ts'
import { homeMoved, homePurged, homesToMove, homesToPurge } from '@ostler/proxy/store/home-work.ts'
import { claimHome, freeHome, lookAtHome, markHomeMade } from '@ostler/proxy/store/homes.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addPoolClaim, tendPool } from '@ostler/proxy/store/pools.ts'
import { placeVm } from '@ostler/proxy/store/placing.ts'
import { addWish, moveVm, planVm } from '@ostler/proxy/store/vms.ts'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addTestFlavour, addTestTenant, addTestUser } from '../fixtures/database-rows.ts'
import { addTestPool } from '../pools/pool-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

const DAYS = 30
const DAY_MS = 86_400_000

let database: TestDatabase
let hkd: Db
let api: Db
let hostId: number
let userId: number
let flavourId: number
let count = 0

beforeAll(async () => {
  database = await openTestDatabase()
  hkd = database.as('hkd')
  api = database.as('api')
  hostId = await registerHost(hkd, 'node', 1_000_000, 100)
  await setHostState(hkd, hostId, 'running')
})
beforeEach(async () => {
  userId = await addTestUser(hkd)
  flavourId = await addTestFlavour(hkd)
})
afterAll(() => database[Symbol.asyncDispose]())

/** A desktop at rest. */
async function desktop(user = userId, flavour = flavourId): Promise<number> {
  const name = `home-desk${++count}`
  const address = `10.8.${count >> 8}.${count & 255}`
  const row = { name, user_id: user, flavour_id: flavour, address }
  return (await hkd.insertInto('vm').values(row).returning('id').executeTakeFirstOrThrow()).id
}

async function claim(vmId: number, epoch = 1, hypervisor: 'lxc' | 'kvm' = 'lxc'): Promise<boolean> {
  return await claimHome(hkd, { vmId, epoch, hostId, hypervisor })
}

async function home(user = userId, flavour = flavourId) {
  return await hkd
    .selectFrom('home')
    .selectAll()
    .where('user_id', '=', user)
    .where('flavour_id', '=', flavour)
    .where('trashed_at', 'is', null)
    .executeTakeFirstOrThrow()
}

/** A home that has been made, by a desktop that is at rest again. */
async function madeHome(vmId: number): Promise<Awaited<ReturnType<typeof home>>> {
  expect(await claim(vmId)).toBe(true)
  const { id } = await hkd
    .selectFrom('home')
    .select('id')
    .where('writer_vm', '=', vmId)
    .executeTakeFirstOrThrow()
  await markHomeMade(hkd, id, hostId)
  await freeHome(hkd, vmId)
  return await hkd.selectFrom('home').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
}

/** As hkd does when it has moved the files. */
async function settle(): Promise<void> {
  for (const work of await homesToMove(hkd, hostId)) await homeMoved(hkd, work)
}

async function start(vmId: number) {
  await addWish(hkd, { vmId, kind: 'run', by: 'test', reason: 'test' })
  const vm = { id: vmId, state: 'stopped' as const, epoch: 0 }
  const move = { vm, event: 'start' as const, to: 'preparing' as const, hypervisor: 'lxc' as const }
  return await placeVm(hkd, { move, memoryMb: 1, userId: 0, choose: ([host]) => host?.id })
}

describe('who writes to a home', () => {
  test('of ten that claim it at once one has it, whether it was there or not', async () => {
    for (let round = 0; round < 3; round++) {
      const flavour = await addTestFlavour(hkd)
      const desktops = await Promise.all(Array.from({ length: 10 }, () => desktop(userId, flavour)))
      for (const again of [false, true]) {
        const claims = await Promise.all(desktops.map((id) => claim(id)))
        expect({ again, won: claims.filter(Boolean).length }).toEqual({ again, won: 1 })
        const winner = desktops[claims.indexOf(true)] ?? 0
        expect(await home(userId, flavour)).toMatchObject({ writer_vm: winner, state: 'in use' })
        await freeHome(hkd, winner)
      }
    }
  })

  test('of ten starts one is placed, and the others are told who has the home', async () => {
    const desktops = await Promise.all(Array.from({ length: 10 }, () => desktop()))
    const outcomes = await Promise.all(desktops.map(start))
    const placed = desktops.filter((_, at) => typeof outcomes[at] === 'number')
    expect(placed).toHaveLength(1)
    const { name } = await hkd
      .selectFrom('vm')
      .select('name')
      .where('id', '=', placed[0] ?? 0)
      .executeTakeFirstOrThrow()
    const told = outcomes.filter((outcome) => typeof outcome === 'object')
    expect(new Set(told.map(({ refusal }) => refusal))).toEqual(
      new Set([`desktop ${name} has the same home, and is preparing`]),
    )
    expect(told).toHaveLength(9)
  })

  test('a boot has its home from its first moment until it is at rest', async () => {
    const vmId = await desktop()
    const epoch = await start(vmId)
    const plan = await planVm(hkd, vmId)
    expect(plan?.home).toMatchObject({ kind: 'directory', limitMb: 0, isMade: false, epoch })
    const states = ['preparing', 'booting', 'killing', 'failed'] as const
    for (const [at, state] of states.slice(0, -1).entries()) {
      const event = (['prepared', 'exited', 'fault'] as const)[at] ?? 'fault'
      const to = states[at + 1] ?? 'failed'
      await moveVm(hkd, { vm: { id: vmId, state, epoch: 1 }, event, to })
      expect((await home()).state).toBe(to === 'failed' ? 'free' : 'in use')
    }
    expect((await planVm(hkd, vmId))?.home).toBeNull()
  })

  test('desktops of another flavour, or of another user, have homes of their own', async () => {
    const ids = [
      await desktop(),
      await desktop(userId, await addTestFlavour(hkd)),
      await desktop(await addTestUser(hkd)),
    ]
    for (const id of ids) expect(await claim(id)).toBe(true)
  })

  test('a home on the storage of one node is started there alone', async () => {
    const vmId = await desktop()
    await madeHome(vmId)
    expect(await claimHome(hkd, { vmId, epoch: 2, hostId: hostId + 1, hypervisor: 'lxc' })).toBe(false)
    expect(await lookAtHome(hkd, vmId)).toEqual({ refusal: undefined, hostId })
  })
})

describe('what a home is, and where', () => {
  test('C-116: it is named by login and flavour, in a folder of her tenant if that is not the first', () => {
    const owner = { tenantId: 1, login: 'ann', flavourId: 7 }
    expect(usualHomePath(owner, 'directory')).toBe('ann-7')
    expect(usualHomePath({ ...owner, tenantId: 3 }, 'raw')).toBe('@3/ann-7.raw')
    expect(homeKind('lxc', 0)).toBe('directory')
    expect(homeKind('lxc', 100)).toBe('image')
    expect(homeKind('process', 100)).toBe('directory')
    expect(homeKind('kvm', 100)).toBe('raw')
  })

  test('it grows with its flavour, and never shrinks; one without a size gets none', async () => {
    await hkd.updateTable('flavour').set({ home_mb: 64 }).where('id', '=', flavourId).execute()
    const vmId = await desktop()
    const limits: number[] = []
    for (const limit of [64, 128, 32]) {
      await hkd.updateTable('flavour').set({ home_mb: limit }).where('id', '=', flavourId).execute()
      expect(await claim(vmId)).toBe(true)
      limits.push((await home()).limit_mb)
    }
    expect(limits).toEqual([64, 128, 128])
    const other = await addTestFlavour(hkd)
    const plain = await desktop(userId, other)
    await claim(plain)
    await hkd.updateTable('flavour').set({ home_mb: 64 }).where('id', '=', other).execute()
    await claim(plain)
    expect(await home(userId, other)).toMatchObject({ kind: 'directory', limit_mb: 0 })
  })

  test('a user who has a new name keeps her home, and who gets her old name does not get it', async () => {
    const before = await madeHome(await desktop())
    const { login } = await hkd
      .selectFrom('users')
      .select('login')
      .where('id', '=', userId)
      .executeTakeFirstOrThrow()
    await hkd
      .updateTable('users')
      .set({ login: `${login}-new` })
      .where('id', '=', userId)
      .execute()
    await claim(await desktop())
    expect((await home()).path).toBe(before.path)
    const successor = await addTestUser(hkd, { login })
    await claim(await desktop(successor))
    const hers = await home(successor)
    expect(hers.path).toBe(`${before.path}.${hers.id}`)
  })

  test('users of two tenants with one login do not share a home', async () => {
    const login = 'same'
    const tenants = [await addTestTenant(hkd), await addTestTenant(hkd)]
    const paths: string[] = []
    for (const tenant_id of tenants) {
      const id = await addTestUser(hkd, { login, tenant_id })
      await claim(await desktop(id))
      paths.push((await home(id)).path)
    }
    expect(paths).toEqual(tenants.map((tenant) => `@${tenant}/same-${flavourId}`))
  })
})

describe('the trash', () => {
  test('takes the home of a desktop that is removed, and says where and until when', async () => {
    const vmId = await desktop()
    const { id, path } = await madeHome(vmId)
    const [kept, ...more] = await deleteDesktop(api, vmId, DAYS)
    expect(more).toEqual([])
    expect(kept).toMatchObject({ id, was: path, path: `trash/${id}-${path}` })
    expect(Math.round(((kept?.until.getTime() ?? 0) - Date.now()) / DAY_MS)).toBe(DAYS)
    await settle()
    const row = (await listHomes(api)).find((each) => each.id === id)
    expect(row).toMatchObject({ state: 'trash', path: `trash/${id}-${path}`, now: null })
  })

  test('does not take a home that another desktop has', async () => {
    const [first, second] = [await desktop(), await desktop()]
    await madeHome(first)
    expect(await deleteDesktop(api, first, DAYS)).toEqual([])
    expect((await home()).state).toBe('free')
    expect(await deleteDesktop(api, second, DAYS)).toHaveLength(1)
  })

  test('neither a desktop that runs nor its user nor its flavour is removed', async () => {
    const vmId = await desktop()
    await start(vmId)
    await expect(deleteDesktop(api, vmId, DAYS)).rejects.toMatchObject({ code: 'object.inUse' })
    await expect(deleteUser(api, userId, DAYS)).rejects.toMatchObject({ code: 'object.inUse' })
    await expect(deleteFlavour(api, flavourId, DAYS)).rejects.toMatchObject({ code: 'object.inUse' })
    const { id } = await home()
    await expect(trashHome(api, id, DAYS)).rejects.toMatchObject({ code: 'home.refused' })
    expect((await home()).state).toBe('in use')
  })

  test('takes all homes of a user; who has her login later gets an empty one', async () => {
    const { login } = await hkd
      .selectFrom('users')
      .select('login')
      .where('id', '=', userId)
      .executeTakeFirstOrThrow()
    const old = await madeHome(await desktop())
    await madeHome(await desktop(userId, await addTestFlavour(hkd)))
    const removed = await deleteUser(api, userId, DAYS)
    expect(removed).toMatchObject({ desktops: 2 })
    expect(removed.homes).toHaveLength(2)
    const again = await addTestUser(hkd, { login })
    const vmId = await desktop(again)
    await claim(vmId)
    const fresh = await home(again)
    expect(fresh).toMatchObject({ made_at: null })
    expect([old.path, `trash/${old.id}-${old.path}`]).not.toContain(fresh.path)
    await freeHome(hkd, vmId)
    await markHomeMade(hkd, fresh.id, hostId)

    await settle()
    await expect(restoreHome(api, old.id, {}, DAYS)).rejects.toThrow(/its user is gone/)
    const restored = await restoreHome(api, old.id, { userId: again }, DAYS)
    expect(restored).toMatchObject({ login, displaced: [{ id: fresh.id, was: fresh.path }] })
    expect(await lookAtHome(hkd, vmId)).toMatchObject({
      refusal: expect.stringContaining('brought back') as string,
    })
    expect(await claim(vmId)).toBe(false)
    await settle()
    expect(await claim(vmId)).toBe(true)
    expect(await home(again)).toMatchObject({ id: old.id, state: 'in use' })
  })

  test('a home that was never made is not kept', async () => {
    const vmId = await desktop()
    await claim(vmId)
    await freeHome(hkd, vmId)
    expect(await deleteDesktop(api, vmId, DAYS)).toEqual([])
  })

  test('a home whose time is over is taken once, is not brought back, and its row stays until its files are gone', async () => {
    const { id } = await madeHome(await desktop())
    await expect(purgeHome(api, id)).rejects.toMatchObject({ code: 'home.refused' })
    await trashHome(api, id, DAYS)
    await settle()
    const due = async (): Promise<boolean> => (await homesToPurge(hkd, hostId)).some((work) => work.id === id)
    expect(await due()).toBe(false)
    await purgeHome(api, id)
    expect(await due()).toBe(true)
    await expect(restoreHome(api, id, {}, DAYS)).rejects.toThrow(/removed for good/)
    expect(await due()).toBe(true) // hkd died meanwhile
    await homePurged(hkd, id)
    expect(await due()).toBe(false)
  })

  test('homes whose user went by other ways go there, too', async () => {
    const vmId = await desktop()
    const { id } = await madeHome(vmId)
    await hkd.deleteFrom('vm').where('id', '=', vmId).execute()
    await hkd.deleteFrom('users').where('id', '=', userId).execute()
    expect((await trashOwnerless(hkd, DAYS)).map((kept) => kept.id)).toContain(id)
  })

  test('only a home that is free is moved, whatever comes at the same time', async () => {
    for (let round = 0; round < 10; round++) {
      const flavour = await addTestFlavour(hkd)
      const vmId = await desktop(userId, flavour)
      const { id } = await madeHome(vmId)
      const [claimed, trashed] = await Promise.all([
        claim(vmId),
        trashHome(api, id, DAYS).then(
          () => true,
          () => false,
        ),
      ])
      const row = await hkd.selectFrom('home').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
      expect(row.state).toBe(trashed ? 'trash' : 'in use')
      // Who comes too late for this one has begun another.
      expect(row.writer_vm === null || !trashed).toBe(true)
      expect(claimed || trashed).toBe(true)
    }
  })
})

describe('a home that an administrator adopts', () => {
  test('is used from then on, at the path that she names', async () => {
    const path = `from-qvd/${userId}-fs`
    expect(await adoptHome(api, { userId, flavourId }, { kind: 'directory', path })).toMatchObject({ path })
    const vmId = await desktop()
    expect(await claim(vmId)).toBe(true)
    const row = await home()
    expect(row.path).toBe(path)
    expect(row.made_at).not.toBeNull()
  })

  test('takes the place of one that was never made, and of no other', async () => {
    const vmId = await desktop()
    await claim(vmId)
    await freeHome(hkd, vmId)
    const { id } = await home()
    expect(await adoptHome(api, { userId, flavourId }, { kind: 'directory', path: undefined })).toMatchObject(
      { id },
    )
    const again = adoptHome(api, { userId, flavourId }, { kind: 'directory', path: undefined })
    await expect(again).rejects.toMatchObject({ code: 'home.refused' })
  })

  test('is nobody else’s, nor in it, nor around it', async () => {
    const { path } = await madeHome(await desktop())
    const other = await addTestUser(hkd)
    const third = await addTestUser(hkd)
    await adoptHome(api, { userId: other, flavourId }, { kind: 'directory', path: `old-${count}/one` })
    for (const wrong of [path, `${path}/inside`, `old-${count}`]) {
      const adopted = adoptHome(api, { userId: third, flavourId }, { kind: 'directory', path: wrong })
      await expect(adopted).rejects.toMatchObject({ code: 'home.refused' })
    }
  })

  test('and its way to the trash and back stay below the folder of homes', async () => {
    const { id } = await madeHome(await desktop())
    for (const place of ['../etc', '/etc', 'a/../b', '.hidden', 'a/b/c', ''])
      for (const column of ['path', 'moving_to'])
        await expect(
          api
            .updateTable('home')
            .set({ [column]: place })
            .where('id', '=', id)
            .execute(),
        ).rejects.toThrow(/violates check constraint/)
  })
})

describe('a desktop of a pool', () => {
  async function given(): Promise<{ pool: string; vmId: number }> {
    const { id, name, desktops } = await addTestPool(hkd, { size: 1 })
    await addPoolClaim(hkd, id, userId, 60)
    expect((await tendPool(hkd, id)).given).toMatchObject([{ vmId: desktops[0], userId }])
    return { pool: name, vmId: desktops[0] ?? 0 }
  }

  test('starts without a home that has a row, whoever has it and whatever homes she has', async () => {
    const { vmId } = await given()
    const { owner } = await hkd
      .selectFrom('vm')
      .select('user_id as owner')
      .where('id', '=', vmId)
      .executeTakeFirstOrThrow()
    const before = await listHomes(hkd)
    expect(await lookAtHome(hkd, vmId)).toEqual({ refusal: undefined, hostId: null })
    expect(await claim(vmId)).toBe(true)
    expect(await listHomes(hkd)).toEqual(before)
    expect(owner).not.toBe(userId)
    expect((await planVm(hkd, vmId))?.home).toBeNull()
  })

  test('is not removed by itself, nor is who has it, nor who stands for the pool, nor its flavour', async () => {
    const { pool, vmId } = await given()
    const { user_id, flavour_id, name } = await hkd
      .selectFrom('vm')
      .select(['user_id', 'flavour_id', 'name'])
      .where('id', '=', vmId)
      .executeTakeFirstOrThrow()
    const inUse = { code: 'object.inUse' }
    await expect(deleteDesktop(api, vmId, DAYS)).rejects.toMatchObject(inUse)
    await expect(deleteUser(api, userId, DAYS)).rejects.toThrow(`desktop ${name} of a pool is hers`)
    await expect(deleteUser(api, user_id, DAYS)).rejects.toThrow(`pool ${pool} stands on it`)
    await expect(deleteFlavour(api, flavour_id, DAYS)).rejects.toMatchObject(inUse)
    const spare = await addTestPool(hkd, { size: 0 })
    const empty = await hkd
      .selectFrom('pool')
      .select('flavour_id')
      .where('id', '=', spare.id)
      .executeTakeFirstOrThrow()
    await expect(deleteFlavour(api, empty.flavour_id, DAYS)).rejects.toMatchObject(inUse)
  })

  test('has a home that nobody adopts', async () => {
    const adopted = adoptHome(api, { userId, flavourId }, { kind: 'directory', path: '@pool/7' })
    await expect(adopted).rejects.toMatchObject({ code: 'request.invalid' })
  })
})

test('the door knows nothing of homes', async () => {
  await expect(listHomes(database.as('l7r'))).rejects.toThrow(/permission denied/)
})

test('a flavour of virtual machines has homes of a size, others have not unless told', async () => {
  const size = { memoryMb: 64, cpuPercent: 5, isApplication: false }
  const limitOf = async (id: number): Promise<number> =>
    (await hkd.selectFrom('flavour').select('home_mb').where('id', '=', id).executeTakeFirstOrThrow()).home_mb
  expect(await limitOf(await addFlavour(api, { ...size, name: 'machines', hypervisor: 'kvm' }))).toBe(10_240)
  expect(await limitOf(await addFlavour(api, { ...size, name: 'plain' }))).toBe(0)
  expect(await limitOf(await addFlavour(api, { ...size, name: 'small', homeMb: 64 }))).toBe(64)
  const none = addFlavour(api, { ...size, name: 'diskless', hypervisor: 'kvm', homeMb: 0 })
  await expect(none).rejects.toMatchObject({ code: 'request.invalid' })
  await expect(setHomeLimit(api, await flavourByName(api, 'machines'), 0)).rejects.toMatchObject({
    code: 'request.invalid',
  })
})
