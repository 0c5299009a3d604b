import { expect, test } from 'vitest'
import { UsbImporter } from '../fixtures/usb-importer.ts'
import { UsbRoom } from '../fixtures/usb-room.ts'
import { UsbStandIn } from '../fixtures/usb-stand-in.ts'
import { until } from '../fixtures/world.ts'
import { USB_CASES } from './cases.ts'

test.each(USB_CASES)('$name', async ({ run }) => {
  const importer = new UsbImporter()
  await run({ attach: importer.attach, descriptor: () => Promise.resolve(importer.descriptor) })
})

test('a key that is pressed comes, and a request for one can be taken back', async () => {
  const importer = new UsbImporter()
  await using room = new UsbRoom(importer)
  const keyboard = new UsbStandIn()
  await room.share(keyboard)
  const first = importer.ask({ way: 'in', endpoint: 1, length: 8 })
  keyboard.type(4)
  expect((await first).content[2]).toBe(4)
  expect((await importer.ask({ way: 'in', endpoint: 1, length: 8 })).content[2]).toBe(0)
  void importer.ask({ way: 'in', endpoint: 1, length: 8 })
  const wish = importer.takeBack()
  await until('its answer', () => importer.unlinked.get(wish) === -104)
})

test('a request that is answered while it is taken back is no offence', async () => {
  const importer = new UsbImporter()
  await using room = new UsbRoom(importer)
  await room.share(new UsbStandIn({ answersTakenBack: true }))
  const late = importer.ask({ way: 'in', endpoint: 1, length: 8 })
  const wish = importer.takeBack()
  expect((await late).content).toHaveLength(8)
  await until('its answer', () => importer.unlinked.get(wish) === 0)
  await until('the descriptor', () => importer.descriptor !== undefined)
})

test('a kernel that sends what is no request loses the device, and the device never hears of it', async () => {
  const importer = new UsbImporter()
  await using room = new UsbRoom(importer)
  const keyboard = new UsbStandIn()
  const served = await room.share(keyboard)
  await until('the descriptor', () => importer.descriptor !== undefined)
  importer.sayBytes(Buffer.alloc(48, 0xff))
  expect(await served.ended).toMatchObject({ code: 'usb.malformed' })
  expect(keyboard.requests).toBe(1)
})

test.each([
  ['a container', { ownKernel: false }, 'usb.unavailable'],
  ['a desktop without USB', { rule: 'off' }, 'usb.refused'],
  ['one that wants others', { rule: [{ vendor: 0x0781, product: undefined }] }, 'usb.refused'],
] as const)('%s refuses a device, and says why', async (_, options, code) => {
  const importer = new UsbImporter()
  await using room = new UsbRoom({ attach: importer.attach, ...options })
  const keyboard = new UsbStandIn()
  await expect(room.share(keyboard)).rejects.toMatchObject({ code })
  expect(keyboard.destroyed).toBe(true)
})

test('a desktop has eight devices at most', async () => {
  await using room = new UsbRoom({ attach: (...args) => new UsbImporter().attach(...args) })
  for (let number = 0; number < 8; number += 1) await room.share(new UsbStandIn())
  await expect(room.share(new UsbStandIn())).rejects.toMatchObject({ code: 'usb.refused' })
})
