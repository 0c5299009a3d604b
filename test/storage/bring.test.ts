import { run, RunError } from '@ostler/kit/run.ts'
import { lockFile } from '@ostler/kit/file-lock.ts'
import { bringImage, type StagedImage } from '@ostler/proxy/hypervisor/storage/bring-image.ts'
import { digestFile } from '@ostler/proxy/hypervisor/storage/copy-file.ts'
import { judgeImage, settleImage } from '@ostler/proxy/hypervisor/storage/manifest.ts'
import {
  appendFileSync,
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStorageRoom, type StorageRoom } from '../fixtures/storage-room.ts'

/** Images on their way from the staging folder, over real files and small file systems. */
const SYSTEM = ['sbin/init', 'etc/passwd']
const free = { reserveBytes: 0 }

let room: StorageRoom
beforeEach(async () => {
  room = await openStorageRoom()
})
afterEach(() => room[Symbol.asyncDispose]())

function image(changed: Partial<StagedImage> = {}): StagedImage {
  return { id: 7, name: 'office', kind: 'tarball', path: 'office.tar', sha256: null, ...changed }
}

function left(folders = room.folders): string[] {
  return readdirSync(folders.images).toSorted()
}

test.each([['tar'], ['tar.gz', 'gzip'], ['tar.xz', 'xz'], ['tar.zst', 'zstd']])(
  'an archive %s is copied to QVD’s name with what it is beside it, and stays in the staging folder',
  async (ending, compress?: string) => {
    const source = await room.pack(`staging/office.${ending}`, SYSTEM, compress)
    const { sha256 } = await digestFile(source)
    const told: number[] = []
    const brought = await bringImage(room.folders, image({ path: `office.${ending}` }), {
      ...free,
      onBytes: (done, total) => told.push(done / total),
    })
    expect(brought).toEqual({ sha256 })
    expect(left()).toEqual([`.7-office.${ending}.manifest`, `7-office.${ending}`])
    expect(readFileSync(join(room.folders.images, `7-office.${ending}`))).toEqual(readFileSync(source))
    expect(told.at(-1)).toBe(1)
    expect(judgeImage(room.folders, image({ path: `office.${ending}` }))).toBe('known')
  },
)

test('what is there is not copied again', async () => {
  await room.pack('staging/office.tar', SYSTEM)
  await bringImage(room.folders, image(), free)
  rmSync(join(room.folders.staging, 'office.tar'))
  const steps: string[] = []
  await bringImage(room.folders, image(), { ...free, onStep: (step) => steps.push(step) })
  expect(steps).toEqual([])
})

test('what was in use once comes back as it was, or not at all', async () => {
  await room.pack('staging/office.tar', SYSTEM)
  await bringImage(room.folders, image(), free)
  const copy = join(room.folders.images, '7-office.tar')
  const before = await digestFile(copy)
  rmSync(copy)
  await bringImage(room.folders, image(), free)
  expect(await digestFile(copy)).toEqual(before)
  rmSync(copy)
  await room.pack('staging/office.tar', [...SYSTEM, 'etc/more'])
  await expect(bringImage(room.folders, image(), free)).rejects.toThrow(`not ${before.sha256}`)
  expect(existsSync(copy)).toBe(false)
})

test('a hole stays a hole', async () => {
  const path = join(room.folders.staging, 'disk.img')
  const fd = openSync(path, 'w')
  ftruncateSync(fd, 64 * 2 ** 20)
  writeSync(fd, 'in the middle', 32 * 2 ** 20)
  closeSync(fd)
  // Nothing is known of such a kind: only the copy is looked at.
  await bringImage(room.folders, image({ kind: 'instant', path: 'disk.img' }), free)
  const copy = join(room.folders.images, '7-disk.img')
  expect(statSync(copy).size).toBe(64 * 2 ** 20)
  expect(statSync(copy).blocks * 512).toBeLessThan(4 * 2 ** 20)
  expect(await digestFile(copy)).toEqual(await digestFile(path))
})

test('a folder is copied whole, with its owners and links', async () => {
  room.write('staging/office/sbin/init')
  await run('ln', ['-s', 'nowhere', join(room.folders.staging, 'office/link')])
  await bringImage(room.folders, image({ kind: 'directory', path: 'office' }), free)
  expect(readdirSync(join(room.folders.images, '7-office')).toSorted()).toEqual(['link', 'sbin'])
})

describe('what cannot be used is refused with its reason, and nothing half-made is left:', () => {
  const cases: readonly [string, () => Promise<unknown>, Partial<StagedImage>, RegExp][] = [
    ['no file', async () => {}, {}, /there is no .*staging\/office\.tar/],
    [
      'an archive that was cut off',
      async () => {
        const path = await room.pack('staging/office.tar', [...SYSTEM, 'usr/bin/x'], 'gzip')
        truncateSync(path, statSync(path).size - 20)
      },
      {},
      /cannot be read as an archive/,
    ],
    [
      'an archive with damage in the middle',
      async () => {
        const path = await room.pack('staging/office.tar', SYSTEM, 'xz')
        const bytes = readFileSync(path)
        bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 8)
        writeFileSync(path, bytes)
      },
      {},
      /cannot be read as an archive/,
    ],
    [
      'no archive',
      () => Promise.resolve(room.write('staging/office.tar', 'this is no archive')),
      {},
      /cannot be read as an archive/,
    ],
    ['an archive without a system', () => room.pack('staging/office.tar', ['etc/passwd']), {}, /no sbin/],
    [
      'a folder without a system',
      () => Promise.resolve(room.write('staging/office/etc/passwd')),
      { kind: 'directory', path: 'office' },
      /no sbin/,
    ],
    [
      'a disk that is none',
      () => Promise.resolve(room.write('staging/disk.qcow2', 'no disk')),
      { kind: 'qcow2', path: 'disk.qcow2' },
      /no qcow2 image/,
    ],
    [
      'another hash than was given',
      () => room.pack('staging/office.tar', SYSTEM),
      { sha256: 'a'.repeat(64) },
      /its SHA-256 is [0-9a-f]{64}, not a{64}/,
    ],
  ]
  test.each(cases)('%s', async (_, make, changed, reason) => {
    await make()
    await expect(bringImage(room.folders, image(changed), free)).rejects.toThrow(reason)
    expect(left()).toEqual([])
  })
})

test('a file that changes while it is copied is not taken', async () => {
  const path = await room.pack('staging/office.tar', SYSTEM)
  const onBytes = (): void => appendFileSync(path, 'more')
  await expect(bringImage(room.folders, image(), { ...free, onBytes })).rejects.toThrow(
    'changed while it was copied',
  )
  expect(left()).toEqual([])
})

test('where there is no room it is said before anything is copied, with the figures', async () => {
  await using small = await openStorageRoom('8m')
  await small.pack('staging/office.tar', SYSTEM)
  small.write('staging/office.tar', Buffer.alloc(5 * 2 ** 20, 1))
  const refused = bringImage(small.folders, image(), free)
  await expect(refused).rejects.toMatchObject({ code: 'storage.full' })
  await expect(refused).rejects.toThrow(/\d MB are free, 5 MB are needed/)
  expect(left(small.folders)).toEqual([])
})

test('a disk that runs full meanwhile leaves nothing, and the image comes when there is room', async () => {
  await using small = await openStorageRoom('8m')
  room.write('staging/office.tar', Buffer.alloc(3 * 2 ** 20, 1))
  const folders = { ...small.folders, staging: room.folders.staging }
  const filler = join(small.root, 'filler')
  const onBytes = (): void => {
    expect(() => writeFileSync(filler, Buffer.alloc(16 * 2 ** 20))).toThrow('ENOSPC')
  }
  // Nothing but the copy is looked at of such a kind.
  const kind = 'instant'
  await expect(bringImage(folders, image({ kind }), { ...free, onBytes })).rejects.toMatchObject({
    code: 'storage.full',
  })
  expect(left(folders)).toEqual([])
  rmSync(filler)
  await bringImage(folders, image({ kind }), free)
  expect(left(folders)).toEqual(['.7-office.tar.manifest', '7-office.tar'])
})

describe('killed', () => {
  test.each(['half', 'copied', 'inspected', 'noted', 'renamed'])(
    'at %s, it is whole after the next try and no part is left',
    async (step) => {
      const { staging, images } = room.folders
      const source = await room.pack('staging/office.tar', SYSTEM)
      appendFileSync(source, Buffer.alloc(4 * 2 ** 20)) // ends an archive as well
      const script = join(import.meta.dirname, 'bring-and-die.ts')
      const killed = run(process.execPath, [script, staging, images, step])
      await expect(killed).rejects.toMatchObject({ signal: 'SIGKILL' })
      await expect(killed).rejects.toBeInstanceOf(RunError)
      const { sha256 } = await digestFile(source)
      expect(await bringImage(room.folders, image(), free)).toEqual({ sha256 })
      expect(left()).toEqual(['.7-office.tar.manifest', '7-office.tar'])
      expect((await digestFile(join(images, '7-office.tar'))).sha256).toBe(sha256)
    },
  )
})

test('two who bring the same image do not meet: one does it, the other is told so', async () => {
  await room.pack('staging/office.tar', SYSTEM)
  const lock = room.write('images/lock.7-office.tar', '')
  {
    using _other = await lockFile(lock, 1_000)
    expect(await bringImage(room.folders, image(), free)).toBe('elsewhere')
  }
  expect(await bringImage(room.folders, image(), free)).toMatchObject({
    sha256: expect.any(String) as string,
  })
})

describe('an image in use', () => {
  const inPlace = (): StagedImage => image({ path: join(room.root, 'office.tar') })
  const manifest = (): string => join(room.folders.images, '.7-office.tar.manifest')

  test('that only was touched is read again, once, and goes on', async () => {
    const path = await room.pack('office.tar', SYSTEM)
    expect(judgeImage(room.folders, inPlace())).toBe('new')
    await settleImage(room.folders, inPlace())
    utimesSync(path, new Date(), new Date(Date.now() + 60_000))
    expect(judgeImage(room.folders, inPlace())).toBe('touched')
    await settleImage(room.folders, inPlace())
    expect(judgeImage(room.folders, inPlace())).toBe('known')
  })

  test('that has other bytes of the same length is refused', async () => {
    const path = await room.pack('office.tar', SYSTEM)
    await settleImage(room.folders, inPlace())
    const bytes = readFileSync(path)
    bytes.write('x', 600)
    writeFileSync(path, bytes)
    utimesSync(path, new Date(), new Date(Date.now() + 60_000))
    await expect(settleImage(room.folders, inPlace())).rejects.toMatchObject({ code: 'image.changed' })
  })

  test('that has another length is refused without being read', async () => {
    const path = await room.pack('office.tar', SYSTEM)
    await settleImage(room.folders, inPlace())
    appendFileSync(path, 'more')
    expect(judgeImage(room.folders, inPlace())).toBe('changed')
    await expect(settleImage(room.folders, inPlace())).rejects.toMatchObject({ code: 'image.changed' })
  })

  test('whose manifest is damaged is taken as it is, and known from then on', async () => {
    await room.pack('office.tar', SYSTEM)
    await settleImage(room.folders, inPlace())
    writeFileSync(manifest(), '{"sha256":')
    expect(judgeImage(room.folders, inPlace())).toBe('new')
    await settleImage(room.folders, inPlace())
    expect(judgeImage(room.folders, inPlace())).toBe('known')
    expect(existsSync(manifest())).toBe(true)
  })
})
