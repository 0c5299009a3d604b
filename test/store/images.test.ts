import { addFlavour } from '@ostler/proxy/store/admin.ts'
import {
  addImage,
  changeDesktopTag,
  deleteImage,
  setDesktopExpiry,
  tagImage,
  untagImage,
} from '@ostler/proxy/store/images.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { planVm } from '@ostler/proxy/store/vms.ts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { addTestFlavour, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

const SOFT = new Date('2031-05-01T10:00:00Z')
const HARD = new Date('2031-05-02T10:00:00Z')
let database: TestDatabase
let api: Db
let hkd: Db
let userId = 0
let flavourId = 0
let addresses = 0

beforeAll(async () => {
  database = await openTestDatabase()
  api = database.as('api')
  hkd = database.as('hkd')
  userId = await addTestUser(hkd)
})
beforeEach(async () => {
  flavourId = await addTestFlavour(hkd)
})
afterAll(() => database[Symbol.asyncDispose]())

async function add(version?: string, expiry = {}) {
  return await addImage(api, { flavourId, kind: 'tarball', path: '/image.tar', version }, expiry)
}

/** A flavour whose desktops are run by something that it names, if it does. */
async function addFlavourOf(hypervisor?: 'lxc' | 'kvm' | 'process'): Promise<number> {
  const size = { memoryMb: 64, cpuPercent: 5, isApplication: false }
  return await addFlavour(api, { ...size, name: `by-${hypervisor ?? 'the-node'}-${++addresses}`, hypervisor })
}

/** A desktop that runs an image, or none. */
async function addDesktop(di_tag: string, disk_image_id: number | null): Promise<number> {
  const state = disk_image_id === null ? ('stopped' as const) : ('running' as const)
  const name = `desk${++addresses}`
  const row = { name, user_id: userId, flavour_id: flavourId, address: `10.9.0.${addresses}`, di_tag }
  const { id } = await hkd
    .insertInto('vm')
    .values({ ...row, disk_image_id, state, prior: state })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

async function expiryOf(id: number) {
  const columns = ['expire_soft', 'expire_hard'] as const
  return await hkd.selectFrom('vm').select(columns).where('id', '=', id).executeTakeFirstOrThrow()
}
const NEVER = { expire_soft: null, expire_hard: null }
const BOTH = { expire_soft: SOFT, expire_hard: HARD }

async function tags(): Promise<Record<string, number>> {
  const rows = await hkd
    .selectFrom('image_tag')
    .select(['tag', 'disk_image_id'])
    .where('flavour_id', '=', flavourId)
    .execute()
  return Object.fromEntries(rows.map((row) => [row.tag, row.disk_image_id]))
}

test('C-126: an image gets its version, head, and default if the flavour has none', async () => {
  const first = await add('one')
  expect(await tags()).toEqual({ one: first.id, head: first.id, default: first.id })
  const second = await add('two')
  expect(await tags()).toEqual({ one: first.id, two: second.id, head: second.id, default: first.id })
})

test('without a version it is the day and a number, also when many are added at once', async () => {
  const added = await Promise.all([add(), add(), add()])
  const day = added[0].version.slice(0, 10)
  expect(day).toMatch(/^\d{4}-\d\d-\d\d$/)
  const versions = added.map(({ version }) => version).sort()
  expect(versions).toEqual([`${day}-000`, `${day}-001`, `${day}-002`])
})

test('a version that is there, also as a tag, is refused and nothing is added', async () => {
  const { id } = await add('one')
  await tagImage(api, id, 'gold', {})
  for (const version of ['one', 'gold', 'head'])
    await expect(add(version)).rejects.toMatchObject({ code: 'object.exists' })
  expect(Object.values(await tags())).toEqual([id, id, id, id])
})

test('a tag moves, but a version stays where it is', async () => {
  const [one, two] = [await add('one'), await add('two')]
  await tagImage(api, two.id, 'default', {})
  expect((await tags())['default']).toBe(two.id)
  await expect(tagImage(api, two.id, 'one', {})).rejects.toMatchObject({ code: 'image.tag' })
  await expect(untagImage(api, one.id, 'one')).rejects.toMatchObject({ code: 'image.tag' })
  expect((await tags())['one']).toBe(one.id)
})

test('a tag that desktops start by cannot be taken away', async () => {
  const { id } = await add('one')
  await tagImage(api, id, 'gold', {})
  const desktop = await addDesktop('gold', null)
  await expect(untagImage(api, id, 'gold')).rejects.toMatchObject({ code: 'image.tag' })
  await hkd.deleteFrom('vm').where('id', '=', desktop).execute()
  await untagImage(api, id, 'gold')
  expect(await tags()).not.toHaveProperty('gold')
  await expect(untagImage(api, id, 'gold')).rejects.toMatchObject({ code: 'image.tag' })
})

test('a new image makes those expire that run an older one by head, and nobody else', async () => {
  const old = await add('one')
  const [byHead, byDefault] = [await addDesktop('head', old.id), await addDesktop('default', old.id)]
  const stopped = await addDesktop('head', null)
  expect(await add('two', { soft: SOFT, hard: HARD })).toMatchObject({ expiring: 1 })
  expect(await expiryOf(byHead)).toEqual(BOTH)
  expect(await expiryOf(byDefault)).toEqual(NEVER)
  expect(await expiryOf(stopped)).toEqual(NEVER)
})

test('a new image without times makes nobody expire', async () => {
  const old = await add('one')
  const desktop = await addDesktop('head', old.id)
  expect(await add('two')).toMatchObject({ expiring: 0 })
  expect(await expiryOf(desktop)).toEqual(NEVER)
})

test('a tag that moves makes those expire that run another image; back again, they do not', async () => {
  const [one, two] = [await add('one'), await add('two')]
  const desktop = await addDesktop('default', one.id)
  expect(await tagImage(api, two.id, 'default', { soft: SOFT, hard: HARD })).toEqual({ expiring: 1 })
  expect(await expiryOf(desktop)).toEqual(BOTH)
  expect(await tagImage(api, one.id, 'default', { soft: SOFT })).toEqual({ expiring: 0 })
  expect(await expiryOf(desktop)).toEqual(NEVER)
})

test('a tag that stays where it is changes nothing', async () => {
  const one = await add('one')
  const desktop = await addDesktop('default', one.id)
  await setDesktopExpiry(api, desktop, { soft: SOFT, hard: HARD })
  expect(await tagImage(api, one.id, 'default', { soft: HARD })).toEqual({ expiring: 0 })
  expect(await expiryOf(desktop)).toEqual(BOTH)
})

test("a desktop's change of tag makes it expire when that stands for another image", async () => {
  const [one, two] = [await add('one'), await add('two')]
  const desktop = await addDesktop('default', one.id)
  expect(await changeDesktopTag(api, desktop, 'one', { soft: SOFT })).toEqual({ expiring: 0 })
  expect(await expiryOf(desktop)).toEqual(NEVER)
  expect(await changeDesktopTag(api, desktop, 'two', { soft: SOFT })).toEqual({ expiring: 1 })
  expect(await expiryOf(desktop)).toEqual({ expire_soft: SOFT, expire_hard: null })
  await expect(changeDesktopTag(api, desktop, 'nine', {})).rejects.toMatchObject({ code: 'image.tag' })
  expect((await planVm(hkd, desktop))?.image?.id).toBe(two.id)
})

test('what a desktop starts is what its tag stands for, unless that is blocked or gone', async () => {
  const [one, two] = [await add('one'), await add('two')]
  const [byVersion, byDefault] = [await addDesktop('two', null), await addDesktop('default', null)]
  expect((await planVm(hkd, byVersion))?.image?.id).toBe(two.id)
  expect((await planVm(hkd, byDefault))?.image?.id).toBe(one.id)
  await api.updateTable('disk_image').set({ blocked: true }).where('id', '=', one.id).execute()
  expect((await planVm(hkd, byDefault))?.image).toBeNull()
  expect((await planVm(hkd, await addDesktop('never', null)))?.image).toBeNull()
})

test('an image in use is not removed', async () => {
  const [one, two] = [await add('one'), await add('two')]
  const desktop = await addDesktop('two', one.id)
  await expect(deleteImage(api, one.id)).rejects.toMatchObject({ code: 'image.inUse' })
  await expect(deleteImage(api, two.id)).rejects.toMatchObject({ code: 'image.inUse' })
  await hkd.deleteFrom('vm').where('id', '=', desktop).execute()
  await deleteImage(api, one.id)
  expect(await tags()).toEqual({ two: two.id, head: two.id })
  await expect(deleteImage(api, one.id)).rejects.toMatchObject({ code: 'object.unknown' })
})

test('a flavour takes images that its desktops can run, and no other: nothing is added then', async () => {
  const machines = await addFlavourOf('kvm')
  const others = [await addFlavourOf(), await addFlavourOf('lxc'), await addFlavourOf('process')]
  const image = { path: '/image', version: '1' }
  for (const flavour of others) {
    const wrong = addImage(api, { ...image, flavourId: flavour, kind: 'qcow2' }, {})
    await expect(wrong).rejects.toMatchObject({ code: 'image.unusable' })
    await addImage(api, { ...image, flavourId: flavour, kind: 'directory' }, {})
  }
  const wrong = addImage(api, { ...image, flavourId: machines, kind: 'tarball' }, {})
  await expect(wrong).rejects.toMatchObject({ code: 'image.unusable' })
  await addImage(api, { ...image, flavourId: machines, kind: 'qcow2' }, {})
})

test('virtual machines show their own screen, too, unless their flavour says otherwise', async () => {
  const displaysOf = async (id: number): Promise<readonly string[]> =>
    (await hkd.selectFrom('flavour').select('displays').where('id', '=', id).executeTakeFirstOrThrow())
      .displays
  expect(await displaysOf(await addFlavourOf('kvm'))).toEqual(['nx', 'rfb', 'vnc', 'spice'])
  expect(await displaysOf(await addFlavourOf())).toEqual(['nx', 'rfb', 'vnc', 'rdp'])
  const size = { memoryMb: 64, cpuPercent: 5, isApplication: false }
  const windows = await addFlavour(api, { ...size, name: 'w', hypervisor: 'kvm', displays: ['spice'] })
  expect(await displaysOf(windows)).toEqual(['spice'])
})
