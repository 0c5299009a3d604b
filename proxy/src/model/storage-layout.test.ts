import { expect, test } from 'vitest'
import {
  imageFileName,
  imagePath,
  overlayDiskName,
  overlayFolderName,
  overlayOwner,
  unpackedName,
  userOverlayLockName,
  userOverlayOwner,
} from './storage-layout.ts'

test('an image from the staging folder is called by its number and file, one from QVD already is (9.1)', () => {
  expect(imageFileName({ id: 7, path: 'office.tar.gz' })).toBe('7-office.tar.gz')
  expect(imageFileName({ id: 7, path: '7-office.tar.gz' })).toBe('7-office.tar.gz')
  expect(imagePath({ images: '/images' }, { id: 7, path: 'office.tar' })).toBe('/images/7-office.tar')
  expect(imagePath({ images: '/images' }, { id: 7, path: '/srv/office.tar' })).toBe('/srv/office.tar')
})

test.each([
  ['7-office.tar', '7-office'],
  ['7-office.tar.gz', '7-office'],
  ['7-office.tgz', '7-office'],
  ['7-office-2.1.tar.xz', '7-office-2.1'],
  ['7-office.tar.zst', '7-office'],
  ['7-office.qcow2', '7-office.qcow2'],
])('%s is unpacked as %s (7.5)', (file, folder) => {
  expect(unpackedName(file)).toBe(folder)
})

const DESKTOP = { id: 12, ownerId: 5, flavour: { id: 8 }, image: { id: 3 } }

test('overlays bear the numbers of image and desktop (7.4, 7.5), and are read back', () => {
  expect(overlayFolderName(DESKTOP)).toBe('3-12-overlayfs')
  expect(overlayDiskName(DESKTOP)).toBe('3-12-overlay.qcow2')
  for (const name of [overlayFolderName(DESKTOP), overlayDiskName(DESKTOP)])
    expect(overlayOwner(name)).toEqual({ imageId: 3, vmId: 12 })
  expect(overlayOwner('12')).toEqual({ imageId: undefined, vmId: 12 })
  expect(overlayOwner('12.qcow2')).toEqual({ imageId: undefined, vmId: 12 })
  for (const name of ['12-overlayfs-work', 'x-12-overlayfs', 'failed', '3-12-overlay.qcow2.new'])
    expect(overlayOwner(name)).toBeUndefined()
})

test('a kept overlay is called as any other, one that goes with a user by her number and the flavour’s', () => {
  expect(overlayFolderName({ ...DESKTOP, overlay: 'persistent' })).toBe('3-12-overlayfs')
  const hers = { ...DESKTOP, overlay: 'user' } as const
  expect(overlayFolderName(hers)).toBe('3-user-5-8-overlayfs')
  expect(overlayDiskName(hers)).toBe('3-user-5-8-overlay.qcow2')
  for (const name of [overlayFolderName(hers), overlayDiskName(hers), userOverlayLockName(hers)]) {
    expect(overlayOwner(name)).toBeUndefined()
    expect(userOverlayOwner(name)).toEqual({ userId: 5, flavourId: 8 })
  }
  expect(userOverlayOwner('3-12-overlayfs')).toBeUndefined()
})
