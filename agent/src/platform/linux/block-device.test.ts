import { expect, test } from 'vitest'
import { deviceNumber, findBlockDevice } from './block-device.ts'

test.each([
  [0x0700n, '7:0'],
  [0xfd01n, '253:1'],
  [0x10fd2cn, '253:300'],
  [0x100103ffn, '259:65791'],
  [0x100000000805n, '4104:5'],
])('%i is device %s', (rdev, number) => {
  expect(deviceNumber(rdev)).toBe(number)
})

test('what is not there is no device, and what is no device is told', () => {
  expect(findBlockDevice('/dev/no-such-drive')).toBeUndefined()
  expect(() => findBlockDevice('/dev/null')).toThrow('/dev/null is no block device')
})
