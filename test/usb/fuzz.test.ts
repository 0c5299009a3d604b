import { Fault } from '@ostler/contract/fault.ts'
import { encodeDevice, decodeDevice } from '@ostler/contract/usbip/device.ts'
import { importDevice, listDevices, offerDevice } from '@ostler/contract/usbip/operations.ts'
import { UrbWatch } from '@ostler/contract/usbip/urb-watch.ts'
import { once } from 'node:events'
import { duplexPair, type Transform } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { STAND_IN } from '../fixtures/usb-stand-in.ts'

const FOUR_GIGABYTES = 0xffff_ffff

/** A header of 48 bytes of these words, in order. */
function header(...words: readonly number[]): Buffer {
  const bytes = Buffer.alloc(48)
  words.forEach((word, index) => bytes.writeUInt32BE(word, 4 * index))
  return bytes
}

/** What comes of bytes: the fault, or what was passed on. */
async function outcome(through: Transform, bytes: Buffer): Promise<string | Buffer> {
  const passed: Buffer[] = []
  through.on('data', (chunk: Buffer) => passed.push(chunk))
  const failed = new Promise<Error>((resolve) => through.once('error', resolve))
  through.end(bytes)
  const end = await Promise.race([failed, once(through, 'end').catch((error: unknown) => error as Error)])
  return end instanceof Fault ? end.code : Buffer.concat(passed)
}

/** In: device descriptors ask for 18 bytes by request 1; 8 packets of 64 bytes by request 2. */
const SUBMITS = Buffer.concat([
  header(1, 1, 0x10002, 1, 0, 0, 18, 0, FOUR_GIGABYTES, 0, 0x80060001, 0x00001200),
  header(1, 2, 0x10002, 1, 2, 0, 512, 0, 8),
  Buffer.concat(Array.from({ length: 8 }, (_, index) => header(64 * index, 64).subarray(0, 16))),
])

async function asked(): Promise<UrbWatch> {
  const watch = new UrbWatch(STAND_IN.device)
  expect(await outcome(watch.requests(), SUBMITS)).toEqual(SUBMITS)
  return watch
}

test.each([
  ['a command that is none', header(9, 1)],
  ['a transfer of 4 GB', header(1, 3, 0, 0, 1, 0, FOUR_GIGABYTES)],
  ['a direction that is none', header(1, 3, 0, 2)],
  ['an endpoint that is none', header(1, 3, 0, 0, 16)],
  ['two thousand packets', header(1, 3, 0, 1, 1, 0, 0, 0, 2_000)],
  ['a number that is open', header(1, 2)],
])('of the desktop, %s goes no further', async (_, bytes) => {
  expect(await outcome((await asked()).requests(), bytes)).toBe('usb.malformed')
})

test.each([
  ['an answer to nothing', header(3, 9)],
  ['an answer of 4 GB', header(3, 1, 0, 0, 0, 0, FOUR_GIGABYTES)],
  ['one byte too many', header(3, 1, 0, 0, 0, 0, 19)],
  ['packets where none were asked for', header(3, 1, 0, 0, 0, 0, 0, 0, 1)],
  ['fewer packets than were asked for', header(3, 2, 0, 0, 0, 0, 0, 0, 7)],
  [
    'a packet beyond the transfer',
    Buffer.concat([header(3, 2, 0, 0, 0, 0, 0, 0, 8), Buffer.alloc(128, 0xff)]),
  ],
  ['taking back what nobody wanted back', header(4, 1)],
  ['a request', header(1, 1)],
])('of the device, %s goes no further', async (_, bytes) => {
  expect(await outcome((await asked()).answers(), bytes)).toBe('usb.malformed')
})

test('however the bytes are cut, they pass as they are', async () => {
  for (let cut = 0; cut <= SUBMITS.length; cut += 1) {
    const through = new UrbWatch(STAND_IN.device).requests()
    through.write(SUBMITS.subarray(0, cut))
    expect(await outcome(through, SUBMITS.subarray(cut))).toEqual(SUBMITS)
  }
})

test('garbage is refused or passed, and never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, isAnswer) => {
      const watch = await asked()
      const end = await outcome(isAnswer ? watch.answers() : watch.requests(), Buffer.from(bytes))
      expect(typeof end === 'string' ? end : 'passed').toMatch(/^(usb\.malformed|passed)$/)
    }),
    { numRuns: 300 },
  )
})

test('a device is told as it was, and garbage is none', () => {
  expect(decodeDevice(encodeDevice(STAND_IN.device))).toEqual(STAND_IN.device)
  expect(() => decodeDevice(Buffer.alloc(312, 0xff))).toThrow(Fault)
})

test('both ends of the beginning understand each other', async () => {
  const [importer, exporter] = duplexPair()
  const offering = offerDevice(exporter, STAND_IN)
  expect(await listDevices(importer)).toEqual([STAND_IN])
  expect(await importDevice(importer, '1-1')).toEqual(STAND_IN.device)
  await offering
})

test('another device than the one that is offered is refused at both ends', async () => {
  const [importer, exporter] = duplexPair()
  const offering = offerDevice(exporter, STAND_IN)
  const refused = expect(offering).rejects.toMatchObject({ code: 'usb.unusable' })
  await expect(importDevice(importer, '1-2')).rejects.toMatchObject({ code: 'usb.unusable' })
  await refused
})

test.each([
  ['another version', '0106000300000000', 'usb.malformed'],
  ['another reply', '0111000500000000', 'usb.malformed'],
  ['a cut line', '011100', 'usb.lost'],
  ['4 billion devices', '0111000500000000ffffffff', 'usb.malformed'],
])('%s instead of an answer is told', async (_, hex, code) => {
  const [importer, exporter] = duplexPair()
  exporter.end(Buffer.from(hex, 'hex'))
  const asking = hex.endsWith('ffffffff') ? listDevices(importer) : importDevice(importer, '1-1')
  await expect(asking).rejects.toMatchObject({ code })
})
