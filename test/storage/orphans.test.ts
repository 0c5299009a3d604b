import { findOrphans, type KnownObjects, removeOrphan } from '@ostler/proxy/hypervisor/storage/orphans.ts'
import { judgeImage } from '@ostler/proxy/hypervisor/storage/manifest.ts'
import { tarballImage } from '@ostler/proxy/hypervisor/lxc/tarball-image.ts'
import { imagePath, unpackedName, imageFileName } from '@ostler/proxy/model/storage-layout.ts'
import { run } from '@ostler/kit/run.ts'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openStorageRoom, type StorageRoom } from '../fixtures/storage-room.ts'

let room: StorageRoom
beforeEach(async () => {
  room = await openStorageRoom()
})
afterEach(() => room[Symbol.asyncDispose]())

const TOMORROW = new Date(Date.now() + 86_400_000)
const NOTHING: KnownObjects = { desktops: new Set(), users: new Set(), flavours: new Set(), images: [] }

function found(known: KnownObjects, now?: Date): string[] {
  return findOrphans(room.folders, known, now)
    .map(({ path, kind, why }) => `${relative(room.root, path)}: ${kind}, ${why}`)
    .toSorted()
}

describe('a storage that QVD has written (compatibility page 7.4, 7.5, 10.2)', () => {
  const office = { id: 2, name: 'office', kind: 'tarball', path: '2-office.tar.gz' } as const
  const known: KnownObjects = { ...NOTHING, desktops: new Set([5, 6]), images: [office] }

  beforeEach(async () => {
    await room.pack('images/2-office.tar.gz', ['sbin/init', 'etc/from-the-archive'], 'gzip')
    room.write('basefs/2-office/sbin/init')
    room.write('basefs/2-office/etc/unpacked-by-qvd')
    room.write('basefs/lock.2-office')
    room.write('overlayfs/2-5-overlayfs/etc/changed')
    room.write('overlayfs/5-overlayfs-work/work')
    room.write('overlays/4-6-overlay.qcow2')
    room.write('homefs/5-fs/ann/file')
    room.write('homes/6-data.qcow2')
    room.write('rootfs/5-fs/empty')
  })

  test('is found: images by number and file, the unpacked ones as they are', async () => {
    expect(imagePath(room.folders, office)).toBe(join(room.folders.images, '2-office.tar.gz'))
    expect(judgeImage(room.folders, office)).toBe('new')
    const image = {
      ...office,
      path: imagePath(room.folders, office),
      unpackedName: unpackedName(imageFileName(office)),
    }
    const folder = await tarballImage(room.folders.basefs, image)
    expect(folder).toBe(join(room.folders.basefs, '2-office'))
    expect(readdirSync(join(folder, 'etc'))).toEqual(['unpacked-by-qvd'])
  })

  test('holds nothing that is none’s while its rows are there', () => {
    expect(found(known)).toEqual([])
  })

  test('names what has lost its row, and never a home or what it does not know', () => {
    room.write('basefs/of-an-administrator/sbin/init')
    room.write('images/README')
    room.write('staging/waits.tar')
    expect(found(NOTHING)).toEqual([
      'basefs/2-office: unpacked image, no image is unpacked as this',
      'images/2-office.tar.gz: image, it is the file of no image',
      'overlayfs/2-5-overlayfs: overlay, there is no desktop 5',
      'overlayfs/5-overlayfs-work: overlay, there is no desktop 5',
      'overlays/4-6-overlay.qcow2: overlay, there is no desktop 6',
    ])
  })
})

test('failed starts and locks of desktops that are no more are listed, those of others are not', () => {
  room.write('overlayfs/failed/5-1/fault.txt')
  room.write('overlays/failed/6-1/fault.txt')
  room.write('overlayfs/lock.6-overlay')
  room.write('overlayfs/6/upper/x')
  expect(found({ ...NOTHING, desktops: new Set([5]) })).toEqual([
    'overlayfs/6: overlay, there is no desktop 6',
    'overlayfs/lock.6-overlay: remains, there is no desktop 6',
    'overlays/failed/6-1: failed start, there is no desktop 6',
  ])
})

test('an overlay that goes with a user is one’s while she and the flavour are there', () => {
  room.write('overlayfs/3-user-5-8-overlayfs/upper/x')
  room.write('overlayfs/lock.user-5-8-overlay')
  const [users, flavours] = [new Set([5]), new Set([8])]
  expect(found({ ...NOTHING, users, flavours })).toEqual([])
  expect(found({ ...NOTHING, users })).toEqual([
    'overlayfs/3-user-5-8-overlayfs: overlay, there is no flavour 8',
    'overlayfs/lock.user-5-8-overlay: remains, there is no flavour 8',
  ])
  expect(found({ ...NOTHING, flavours })).toContain(
    'overlayfs/3-user-5-8-overlayfs: overlay, there is no user 5',
  )
})

test('what was cut off is listed when it can be under way no more', () => {
  room.write('images/copying-7-office.tar')
  room.write('basefs/tarball-0123456789ab.01234567/sbin/init')
  room.write('basefs/untar-7-office/sbin/init')
  room.write('overlayfs/deleteme-3-5-overlayfs-99/x')
  room.write('overlays/3-5-overlay.qcow2.new')
  expect(found(NOTHING)).toEqual([])
  expect(found(NOTHING, TOMORROW).map((line) => line.split(':')[0])).toEqual([
    'basefs/tarball-0123456789ab.01234567',
    'basefs/untar-7-office',
    'images/copying-7-office.tar',
    'overlayfs/deleteme-3-5-overlayfs-99',
    'overlays/3-5-overlay.qcow2.new',
  ])
})

test('an image in place keeps what was unpacked of it, and folders of images are never listed', async () => {
  const path = await room.pack('office.tar', ['sbin/init'])
  const tarball = { id: 8, name: 'office', kind: 'tarball', path } as const
  await tarballImage(room.folders.basefs, tarball)
  const folder = join(room.folders.basefs, '9-folder')
  mkdirSync(folder)
  const directory = { id: 9, name: 'folder', kind: 'directory', path: folder } as const
  expect(found({ ...NOTHING, images: [tarball, directory] })).toEqual([])
  expect(found(NOTHING)).toHaveLength(2)
})

test('what a program has open, or has mounted below something, is not listed', async () => {
  const disk = room.write('overlays/3-5-overlay.qcow2')
  room.write('basefs/2-office/sbin/init')
  const [merged, own] = [join(room.root, 'merged'), join(room.root, 'own')]
  for (const path of [merged, own]) mkdirSync(path)
  const fd = openSync(disk, 'r')
  try {
    expect(found(NOTHING).map((line) => line.split(':')[0])).toEqual(['basefs/2-office'])
    // The machine's own /tmp may be an overlay, which is no upper layer for another one.
    await run('mount', ['-t', 'tmpfs', 'ostler-test', own])
    for (const name of ['upper', 'work']) mkdirSync(join(own, name))
    const lower = join(room.folders.basefs, '2-office')
    const options = `lowerdir=${lower},upperdir=${own}/upper,workdir=${own}/work`
    await run('mount', ['-t', 'overlay', '-o', options, 'ostler-test', merged])
    expect(found(NOTHING)).toEqual([])
  } finally {
    closeSync(fd)
    for (const path of [merged, own]) await run('umount', [path]).catch(() => {})
  }
  expect(found(NOTHING)).toHaveLength(2)
})

test('an orphan is removed whole', async () => {
  room.write('overlayfs/2-5-overlayfs/etc/changed')
  const [orphan] = findOrphans(room.folders, NOTHING)
  if (orphan === undefined) throw new Error('it was not found')
  await removeOrphan(orphan)
  expect(readdirSync(room.folders.overlayfs)).toEqual([])
  expect(existsSync(orphan.path)).toBe(false)
})
