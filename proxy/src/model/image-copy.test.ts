import { expect, test } from 'vitest'
import { imageHolds } from './image-copy.ts'

const progress = { state: 'copying', bytesDone: 43_999, bytes: 100_000, reason: null } as const

test('whoever waits for an image reads how far it is', () => {
  expect(imageHolds('office', progress)).toBe('the disk image office is being copied, 43 %')
  expect(imageHolds('office', { ...progress, bytes: 0 })).toBe('the disk image office is being copied')
  expect(imageHolds('office', { ...progress, state: 'new' })).toBe('the disk image office waits to be copied')
  expect(imageHolds('office', { ...progress, state: 'new', reason: 'no room' })).toBe(
    'the disk image office waits to be copied: no room',
  )
})

test.each(['ready', 'broken', 'removed'] as const)('an image that is %s holds nobody', (state) => {
  expect(imageHolds('office', { ...progress, state })).toBeUndefined()
})
