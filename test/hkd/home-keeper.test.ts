import { silentLog } from '@ostler/kit/log.ts'
import { HomeKeeper } from '@ostler/proxy/hkd/home-keeper.ts'
import { lockHome } from '@ostler/proxy/hypervisor/homes/home-lock.ts'
import { makeHome } from '@ostler/proxy/hypervisor/homes/home-place.ts'
import { mountHomeImage, unmountHomeImage } from '@ostler/proxy/hypervisor/homes/home-image.ts'
import { purgeHome, restoreHome, setHomeLimit, trashHome } from '@ostler/proxy/store/home-trash.ts'
import { claimHome, freeHome, markHomeMade } from '@ostler/proxy/store/homes.ts'
import { registerHost } from '@ostler/proxy/store/hosts.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { mayGrowMounted } from '../fixtures/home.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { until } from '../fixtures/world.ts'

/** The real keeper of homes over a real database and real folders. */
let database: TestDatabase
let hkd: Db
let api: Db
let hostId: number
let homes: string
let keeper: HomeKeeper | undefined
let addresses = 0

beforeAll(async () => {
  database = await openTestDatabase()
  hkd = database.as('hkd')
  api = database.as('api')
  hostId = await registerHost(hkd, 'node', 100_000, 1)
})
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => {
  homes = mkdtempSync(join(tmpdir(), 'ostler-home-keeper-'))
})
afterEach(async () => {
  await keeper?.[Symbol.asyncDispose]()
  keeper = undefined
  rmSync(homes, { recursive: true })
})

/** A keeper that has just been started looks at everything. */
async function look(mustBeMounted = false): Promise<void> {
  await keeper?.[Symbol.asyncDispose]()
  keeper = new HomeKeeper({ db: hkd, hostId, homes, mustBeMounted, trashDays: 30, log: silentLog })
}

/** A home with a file, of a desktop at rest. */
async function home(): Promise<{ id: number; path: string }> {
  const vmId = await addTestDesktop(hkd, `10.7.0.${++addresses}`)
  await claimHome(hkd, { vmId, epoch: 4, hostId, hypervisor: 'lxc' })
  const row = await hkd
    .selectFrom('home')
    .select(['id', 'path'])
    .where('writer_vm', '=', vmId)
    .executeTakeFirstOrThrow()
  await markHomeMade(hkd, row.id, hostId)
  await freeHome(hkd, vmId)
  mkdirSync(join(homes, row.path))
  writeFileSync(join(homes, row.path, 'kept'), 'mine')
  return row
}

async function rowOf(id: number) {
  return await hkd.selectFrom('home').selectAll().where('id', '=', id).executeTakeFirst()
}

async function untilSettled(id: number): Promise<void> {
  await until('the home to have been moved', async () => (await rowOf(id))?.moving_to === null)
}

function content(path: string): string | undefined {
  const file = join(homes, path, 'kept')
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

test('the home of a desktop that runs grows when its flavour does, or at its next start', async () => {
  const vmId = await addTestDesktop(hkd, `10.7.0.${++addresses}`)
  const { flavour_id } = await hkd
    .selectFrom('vm')
    .select('flavour_id')
    .where('id', '=', vmId)
    .executeTakeFirstOrThrow()
  await setHomeLimit(api, flavour_id, 16)
  await claimHome(hkd, { vmId, epoch: 4, hostId, hypervisor: 'lxc' })
  const { id, path } = await hkd
    .selectFrom('home')
    .select(['id', 'path'])
    .where('writer_vm', '=', vmId)
    .executeTakeFirstOrThrow()
  const [file, mount] = [join(homes, path), join(homes, 'mount')]
  await makeHome(file, { id, path, kind: 'image', limitMb: 16, epoch: 4, isMade: false }, { uid: 0, gid: 0 })
  await markHomeMade(hkd, id, hostId)
  await mountHomeImage(file, mount, 16)
  try {
    await setHomeLimit(api, flavour_id, 48)
    await look()
    if (mayGrowMounted()) {
      await until('the row to say so', async () => (await rowOf(id))?.limit_mb === 48)
      writeFileSync(join(mount, 'much'), Buffer.alloc(24 * 2 ** 20))
    } else await until('the row to say why not', async () => (await rowOf(id))?.trouble != null)
    await keeper?.[Symbol.asyncDispose]()
  } finally {
    await unmountHomeImage(file, mount)
    await freeHome(hkd, vmId)
  }
  // The next start makes it as large in any case, and there is nothing to complain of any more.
  await claimHome(hkd, { vmId, epoch: 5, hostId, hypervisor: 'lxc' })
  expect(await rowOf(id)).toMatchObject({ limit_mb: 48, trouble: null })
  await freeHome(hkd, vmId)
})

test('a home goes to the trash, comes back, goes again and is removed, and nothing of it stays', async () => {
  const { id, path } = await home()
  const inTrash = `trash/${id}-${path}`
  await trashHome(api, id, 30)
  await look()
  await untilSettled(id)
  expect([content(path), content(inTrash)]).toEqual([undefined, 'mine'])
  await restoreHome(api, id, {}, 30)
  await look()
  await untilSettled(id)
  expect([content(path), content(inTrash)]).toEqual(['mine', undefined])
  expect(await rowOf(id)).toMatchObject({ path, state: 'free' })
  await trashHome(api, id, 30)
  await look()
  await untilSettled(id)
  await purgeHome(api, id)
  await look()
  await until('the home to be gone', async () => (await rowOf(id)) === undefined)
  expect(existsSync(join(homes, inTrash))).toBe(false)
})

test('hkd that died between the files and the row, or before the files, is followed by one that ends it', async () => {
  const [moved, waiting] = [await home(), await home()]
  for (const { id } of [moved, waiting]) await trashHome(api, id, 30)
  mkdirSync(join(homes, 'trash'))
  renameSync(join(homes, moved.path), join(homes, `trash/${moved.id}-${moved.path}`))
  await look()
  for (const { id, path } of [moved, waiting]) {
    await untilSettled(id)
    expect(content(`trash/${id}-${path}`)).toBe('mine')
  }
})

test('hkd that died while it removed a home is followed by one that removes the rest', async () => {
  const { id, path } = await home()
  await trashHome(api, id, 0)
  await hkd.updateTable('home').set({ purging: true }).where('id', '=', id).execute()
  rmSync(join(homes, path, 'kept'))
  await look()
  await until('the home to be gone', async () => (await rowOf(id)) === undefined)
  expect(existsSync(join(homes, path))).toBe(false)
})

test('a home that somebody writes to stays where it is, its row says why, and it goes later', async () => {
  const { id, path } = await home()
  {
    using lock = await lockHome(join(homes, path))
    lock.write(id, { node: 'another' })
    await trashHome(api, id, 30)
    await look()
    await until('the trouble to be noted', async () => (await rowOf(id))?.trouble !== null)
    expect((await rowOf(id))?.trouble).toMatch(/node another/)
    expect(content(path)).toBe('mine')
  }
  await look()
  await untilSettled(id)
  expect((await rowOf(id))?.trouble).toBeNull()
})

test('one home that is not there is no obstacle for another, and nothing says that it is in the trash', async () => {
  const [gone, there] = [await home(), await home()]
  rmSync(join(homes, gone.path), { recursive: true })
  for (const { id } of [gone, there]) await trashHome(api, id, 30)
  await look()
  await untilSettled(there.id)
  await until('the trouble to be noted', async () => (await rowOf(gone.id))?.trouble !== null)
  expect(await rowOf(gone.id)).toMatchObject({ path: gone.path })
})

test('nothing is moved or removed while nothing is mounted where homes are to lie', async () => {
  const { id } = await home()
  await trashHome(api, id, 0)
  await look(true)
  await keeper?.[Symbol.asyncDispose]()
  expect(await rowOf(id)).toMatchObject({ state: 'trash' })
})
