import { Gate } from '@ostler/kit/gate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { run } from '@ostler/kit/run.ts'
import { ImageBringer } from '@ostler/proxy/hkd/image-bringer.ts'
import { FailedStartKeeper } from '@ostler/proxy/hkd/failed-start-keeper.ts'
import { RoomWatch } from '@ostler/proxy/hkd/room-watch.ts'
import { StorageOrders } from '@ostler/proxy/hkd/storage-orders.ts'
import { digestFile } from '@ostler/proxy/hypervisor/storage/copy-file.ts'
import { listObjects } from '@ostler/proxy/store/admin.ts'
import { pageOf } from '@ostler/proxy/store/listing.ts'
import { explainDesktop } from '@ostler/proxy/store/explanation.ts'
import { addFailedStart, leftFailedStarts } from '@ostler/proxy/store/failed-starts.ts'
import { deleteDesktop } from '@ostler/proxy/store/home-trash.ts'
import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import { addImage } from '@ostler/proxy/store/images.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { askForLooks, askForPurge, readLooks, readPurges } from '@ostler/proxy/store/storage-looks.ts'
import { appendFileSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addTestDesktop, addTestFlavour } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { openStorageRoom, type StorageRoom } from '../fixtures/storage-room.ts'
import { until } from '../fixtures/world.ts'

/** What hkd does for the storage, over a real database with the rights of each process, and real files. */
let database: TestDatabase
let hkd: Db
let api: Db
let hostId: number
let room: StorageRoom
let open: AsyncDisposable[] = []

beforeAll(async () => {
  database = await openTestDatabase()
  hkd = database.as('hkd')
  api = database.as('api')
  hostId = await registerHost(hkd, 'node', 1_000, 2)
  await setHostState(hkd, hostId, 'running')
})
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(async () => {
  for (const table of ['vm', 'disk_image', 'failed_start'] as const) await hkd.deleteFrom(table).execute()
  room = await openStorageRoom()
})
afterEach(async () => {
  for (const each of open.toReversed()) await each[Symbol.asyncDispose]()
  open = []
  await room[Symbol.asyncDispose]()
})

function bringer(changed: { reserveBytes?: number; onReady?: () => void } = {}): ImageBringer {
  const begun = new ImageBringer({
    ...{ db: hkd, hostId, folders: room.folders, reserveBytes: 0, gate: new Gate(1, 100), log: silentLog },
    onReady: () => undefined,
    ...changed,
  })
  open.push(begun)
  return begun
}

async function add(path: string, sha256?: string): Promise<{ id: number; name: string; path: string }> {
  const flavourId = await addTestFlavour(hkd)
  const name = `image-of-${flavourId}`
  const { id } = await addImage(api, { flavourId, name, kind: 'tarball', path, sha256 }, {})
  return { id, name, path }
}

async function stateOf({ id }: { id: number }): Promise<string> {
  const { rows } = await pageOf(api, listObjects(api, 'di'), {
    ...{ columns: ['id', 'state'], where: [], sort: [], limit: undefined, offset: 0, count: false },
  })
  return String(rows.find((row) => row['id'] === id)?.['state'])
}

async function becomes(image: { id: number }, state: RegExp, images: ImageBringer): Promise<void> {
  await until(`image ${image.id} to be ${String(state)}`, async () => {
    images.look()
    return state.test(await stateOf(image))
  })
}

describe('an image that is added from the staging folder', () => {
  test('is new, then ready, and holds desktops in between', async () => {
    const source = await room.pack('staging/office.tar', ['sbin/init'])
    const image = await add('office.tar')
    expect(await stateOf(image)).toBe('new')
    let ready = 0
    const images = bringer({ onReady: () => ready++ })
    expect(images.holds(image)).toMatch(/^the disk image image-of-\d+ (?:waits to be copied|is being copied)/)
    await becomes(image, /^node: ready$/, images)
    await until('those who wait to hear of it', () => ready > 0)
    expect(images.holds(image)).toBeUndefined()
    expect(images.refuses(image)).toBeUndefined()
    const row = await hkd.selectFrom('image_copy').selectAll().executeTakeFirstOrThrow()
    expect(row.sha256).toBe((await digestFile(source)).sha256)
  })

  test('is broken with a reason that its desktops get, until its file is another one', async () => {
    room.write('staging/office.tar', 'no archive')
    const image = await add('office.tar')
    const images = bringer()
    await becomes(image, /^node: broken \(.*cannot be read as an archive/, images)
    expect(images.holds(image)).toBeUndefined()
    expect(images.refuses(image)).toContain('cannot be read as an archive')
    await room.pack('staging/office.tar', ['sbin/init'])
    await becomes(image, /^node: ready$/, images)
  })

  test('is taken only with the hash that was given', async () => {
    const source = await room.pack('staging/office.tar', ['sbin/init'])
    const { sha256 } = await digestFile(source)
    const good = await add('office.tar', sha256)
    const bad = await add('office.tar', 'b'.repeat(64))
    const images = bringer()
    await becomes(good, /^node: ready$/, images)
    await becomes(bad, /^node: broken \(.*its SHA-256 is/, images)
    expect(readdirSync(room.folders.images).filter((name) => name.startsWith(`${bad.id}-`))).toEqual([])
  })

  test('that is in neither folder is broken; it comes when it is put there', async () => {
    const image = await add('later.tar')
    const images = bringer()
    await becomes(image, /^node: broken \(.*there is no .*staging\/later\.tar/, images)
    await room.pack('staging/later.tar', ['sbin/init'])
    await becomes(image, /^node: ready$/, images)
  })

  test('whose copy is changed is broken, and is copied again when that is taken away', async () => {
    await room.pack('staging/office.tar', ['sbin/init'])
    const image = await add('office.tar')
    const images = bringer()
    await becomes(image, /^node: ready$/, images)
    const copy = join(room.folders.images, `${image.id}-office.tar`)
    appendFileSync(copy, 'more')
    await becomes(image, /^node: broken \(.*is not what it was/, images)
    rmSync(copy)
    await becomes(image, /^node: ready$/, images)
  })

  test('whose file and copy are both taken away is removed, and says so', async () => {
    const source = await room.pack('staging/office.tar', ['sbin/init'])
    const image = await add('office.tar')
    const images = bringer()
    await becomes(image, /^node: ready$/, images)
    rmSync(source)
    rmSync(join(room.folders.images, `${image.id}-office.tar`))
    await becomes(image, /^node: removed \(.*there is no .*staging/, images)
    expect(images.refuses(image)).toContain('there is no')
  })

  test('waits for room with the figures, and comes by itself when there is some', async () => {
    await using small = await openStorageRoom('8m')
    writeFileSync(join(small.root, 'filler'), Buffer.alloc(6 * 2 ** 20))
    await room.pack('staging/office.tar', ['sbin/init'])
    appendFileSync(join(room.folders.staging, 'office.tar'), Buffer.alloc(3 * 2 ** 20))
    const image = await add('office.tar')
    const images = new ImageBringer({
      ...{
        db: hkd,
        hostId,
        reserveBytes: 0,
        gate: new Gate(1, 100),
        onReady: () => undefined,
        log: silentLog,
      },
      folders: { ...small.folders, staging: room.folders.staging },
    })
    try {
      await becomes(image, /^node: new \(there is no room in .*: 2 MB are free, 4 MB are needed\)/, images)
      expect(images.holds(image)).toContain('waits to be copied: there is no room')
      rmSync(join(small.root, 'filler'))
      await becomes(image, /^node: ready$/, images)
    } finally {
      await images[Symbol.asyncDispose]()
    }
  })

  test('that QVD had in use is taken over as it is', async () => {
    const image = await add('office.tar')
    await room.pack(`images/${image.id}-office.tar`, ['sbin/init'])
    const images = bringer()
    await becomes(image, /^node: ready$/, images)
  })

  test('is left where it is when hkd ends half-way, and goes on with the next one', async () => {
    const source = await room.pack('staging/office.tar', ['sbin/init'])
    appendFileSync(source, Buffer.alloc(64 * 2 ** 20))
    const image = await add('office.tar')
    const first = bringer()
    await until('the copy to have begun', () =>
      readdirSync(room.folders.images).some((name) => /^copying-/.test(name)),
    )
    await first[Symbol.asyncDispose]()
    expect(readdirSync(room.folders.images)).toEqual([])
    await becomes(image, /^node: ready$/, bringer())
  })
})

describe('orders for the storage', () => {
  let orders: StorageOrders
  beforeEach(() => {
    orders = new StorageOrders({ db: hkd, hostId, folders: room.folders, log: silentLog })
    open.push(orders)
  })

  async function look() {
    const ids = await askForLooks(api, 'administrator')
    expect(ids).toHaveLength(1)
    await until('the look to have ended', async () => {
      orders.look()
      return (await readLooks(api, ids)).every(({ ended }) => ended)
    })
    return (await readLooks(api, ids)).flatMap(({ orphans }) => orphans)
  }
  async function purge(ids: number[]) {
    await askForPurge(api, ids)
    await until('the removal to have ended', async () => {
      orders.look()
      return (await readPurges(api, ids)).every(({ ended }) => ended)
    })
    return await readPurges(api, ids)
  }

  test('list what nothing needs, with size and why, and remove only what is named of it', async () => {
    const vmId = await addTestDesktop(hkd, '10.0.0.1')
    room.write(`overlayfs/1-${vmId}-overlayfs/needed`)
    room.write('overlayfs/1-999999-overlayfs/etc/file', Buffer.alloc(100_000))
    room.write('overlayfs/1-999998-overlayfs/etc/file')
    const listed = await look()
    expect(listed.map(({ path, why }) => [path.slice(room.root.length + 1), why])).toEqual([
      ['overlayfs/1-999998-overlayfs', 'there is no desktop 999998'],
      ['overlayfs/1-999999-overlayfs', 'there is no desktop 999999'],
    ])
    expect(listed[1]?.bytes).toBeGreaterThanOrEqual(100_000)
    expect(await purge([listed[1]?.id ?? 0])).toMatchObject([{ ended: true, fault: null }])
    expect(readdirSync(room.folders.overlayfs).toSorted()).toEqual([
      `1-${vmId}-overlayfs`,
      '1-999998-overlayfs',
    ])
    await expect(askForPurge(api, [listed[1]?.id ?? 0])).rejects.toMatchObject({ code: 'storage.orphan' })
  })

  test('remove nothing that was not listed, or not of late, and then nothing else either', async () => {
    room.write('overlayfs/1-999997-overlayfs/x')
    const [orphan] = await look()
    const id = orphan?.id ?? 0
    await expect(askForPurge(api, [id, 1_000_000])).rejects.toMatchObject({ code: 'storage.orphan' })
    expect(await readPurges(api, [id])).toMatchObject([{ ended: true, fault: null }])
    await hkd
      .updateTable('storage_look')
      .set({ asked_at: new Date(Date.now() - 25 * 3_600_000) })
      .execute()
    await expect(askForPurge(api, [id])).rejects.toThrow('was not listed')
    orders.look()
    expect(existsSync(join(room.folders.overlayfs, '1-999997-overlayfs'))).toBe(true)
  })

  test('leave what is another thing by now, or needed again', async () => {
    room.write('overlayfs/1-999996-overlayfs/x')
    const image = await add('office.tar')
    room.write(`images/${image.id + 1}-office.tar`)
    const listed = await look()
    expect(listed).toHaveLength(2)
    rmSync(join(room.folders.overlayfs, '1-999996-overlayfs'), { recursive: true })
    room.write('overlayfs/1-999996-overlayfs/y')
    const second = await add('office.tar')
    expect(second.id).toBe(image.id + 1)
    const ended = await purge(listed.map(({ id }) => id))
    expect(ended.map(({ fault }) => fault).toSorted()).toEqual([
      'it is needed or in use by now, or gone',
      'it was changed since it was listed',
    ])
    expect(existsSync(join(room.folders.overlayfs, '1-999996-overlayfs/y'))).toBe(true)
    expect(existsSync(join(room.folders.images, `${second.id}-office.tar`))).toBe(true)
  })
})

test('what was kept of failed starts is told of, the newest three', async () => {
  const vmId = await addTestDesktop(hkd, '10.0.0.2')
  for (const epoch of [1, 2, 3, 4])
    await addFailedStart(
      hkd,
      hostId,
      { vmId, epoch, folder: `/failed/${epoch}`, bytes: 5, fault: 'no init' },
      3,
    )
  const { kept } = await explainDesktop(api, vmId)
  expect(kept.map(({ folder, host, fault }) => [folder, host, fault])).toEqual([
    ['/failed/4', 'node', 'no init'],
    ['/failed/3', 'node', 'no init'],
    ['/failed/2', 'node', 'no init'],
  ])
})

test('what was kept of failed starts goes with its desktop, and nothing else does', async () => {
  const kept = async (vmId: number, epoch: number): Promise<string> => {
    room.write(`overlayfs/failed/${vmId}-${epoch}/fault.txt`, 'no init')
    const folder = join(room.folders.overlayfs, `failed/${vmId}-${epoch}`)
    await addFailedStart(hkd, hostId, { vmId, epoch, folder, bytes: 5, fault: 'no init' }, 3)
    return folder
  }
  const removed = await addTestDesktop(hkd, '10.0.0.3')
  const gone = [await kept(removed, 1), await kept(removed, 2)]
  const stays = await kept(await addTestDesktop(hkd, '10.0.0.4'), 1)
  room.write('overlayfs/failed/999995-1/fault.txt', 'of another database')
  const outside = join(room.root, 'elsewhere')
  room.write('elsewhere/precious')
  await addFailedStart(
    hkd,
    hostId,
    { vmId: removed, epoch: 3, folder: outside, bytes: 5, fault: 'no init' },
    3,
  )
  const keeper = new FailedStartKeeper({ db: hkd, hostId, folders: room.folders, log: silentLog })
  open.push(keeper)
  await deleteDesktop(api, removed, 30)
  await until('the rows to be gone', async () => {
    keeper.look()
    return (await leftFailedStarts(hkd, hostId)).length === 0
  })
  expect(gone.map((folder) => existsSync(folder))).toEqual([false, false])
  expect(existsSync(stays)).toBe(true)
  expect(existsSync(join(outside, 'precious'))).toBe(true)
  expect(readdirSync(join(room.folders.overlayfs, 'failed')).toSorted()).toEqual([
    basename(stays),
    '999995-1',
  ])
})

describe('a storage folder', () => {
  test('that is full, of bytes or of inodes, or read-only holds starts, and holds none when there is room again', async () => {
    await using small = await openStorageRoom('8m')
    using rooms = new RoomWatch(
      { overlayfs: small.folders.overlayfs },
      { megabytes: 0, percent: 50 },
      silentLog,
    )
    const holds = async (said: RegExp | undefined): Promise<void> => {
      await until(`it to say ${String(said)}`, () => {
        const reason = rooms.holds()
        return said === undefined ? reason === undefined : reason !== undefined && said.test(reason)
      })
    }
    await holds(undefined)
    writeFileSync(join(small.root, 'filler'), Buffer.alloc(5 * 2 ** 20))
    await holds(/^the storage folder .*overlayfs: there is no room: [123] MB are free there, 4 must be$/)
    rmSync(join(small.root, 'filler'))
    await holds(undefined)
    await run('mount', ['-o', 'remount,nr_inodes=20', small.root])
    for (let n = 0; n < 11; n++) small.write(`many/${n}`)
    await holds(/inodes are free there, 10 must be$/)
    await run('mount', ['-o', 'remount,ro', small.root])
    await holds(/its file system is read-only$/)
  })
})
