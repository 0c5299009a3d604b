import { once } from 'node:events'
import type { Duplex, Readable } from 'node:stream'
import { Fault } from '../fault.ts'
import {
  BUS_ID_BYTES,
  decodeDevice,
  DEVICE_BYTES,
  encodeDevice,
  isBusId,
  type UsbClass,
  type UsbDevice,
} from './device.ts'

/**
 * What two ends of USB/IP say before a device is in use: usb/usbip_protocol of the kernel's documentation, version 1.1.1.
 * All numbers are big endian.
 */
const VERSION = 0x0111
const REQUEST_LIST = 0x8005
const REPLY_LIST = 0x0005
const REQUEST_IMPORT = 0x8003
const REPLY_IMPORT = 0x0003
const HEAD_BYTES = 8
const INTERFACE_BYTES = 4
/** Statuses of a reply (`ST_*` of the kernel's tools). */
const DONE = 0
const REFUSALS: Readonly<Record<number, string>> = {
  1: 'the other end failed',
  2: 'somebody else has it',
  3: 'it is out of order',
  4: 'there is no such device',
}
const NO_DEVICE = 4
/** More than any machine has: a count comes from the other end. */
const MAX_DEVICES = 1_024

/** A device that can be imported, with the classes of its interfaces. */
export interface OfferedDevice {
  readonly device: UsbDevice
  readonly interfaces: readonly UsbClass[]
}

/** Asks for the devices that the other end offers. @throws Fault `usb.malformed`, `usb.lost`. */
export async function listDevices(stream: Duplex): Promise<OfferedDevice[]> {
  stream.write(head(REQUEST_LIST))
  await readHead(stream, REPLY_LIST)
  const count = (await readBytes(stream, 4)).readUInt32BE()
  if (count > MAX_DEVICES) throw new Fault('usb.malformed', { problem: `${count} devices` })
  const offered: OfferedDevice[] = []
  while (offered.length < count) {
    const device = decodeDevice(await readBytes(stream, DEVICE_BYTES))
    const interfaces: UsbClass[] = []
    while (interfaces.length < device.interfaces) {
      const [main = 0, sub = 0, protocol = 0] = await readBytes(stream, INTERFACE_BYTES)
      interfaces.push([main, sub, protocol])
    }
    offered.push({ device, interfaces })
  }
  return offered
}

/**
 * Asks for a device. When it comes, the stream carries its requests from then on (`urbs.ts`).
 * @throws Fault `usb.malformed`, `usb.lost`, `usb.unusable` when the other end refuses.
 */
export async function importDevice(stream: Duplex, busId: string): Promise<UsbDevice> {
  const asked = Buffer.alloc(BUS_ID_BYTES)
  asked.write(busId, 'latin1')
  stream.write(Buffer.concat([head(REQUEST_IMPORT), asked]))
  const status = await readHead(stream, REPLY_IMPORT)
  if (status !== DONE) throw new Fault('usb.unusable', { device: busId, reason: reasonOf(status) })
  const device = decodeDevice(await readBytes(stream, DEVICE_BYTES))
  if (device.busId !== busId)
    throw new Fault('usb.malformed', { problem: 'another device than was asked for' })
  return device
}

/**
 * Answers what the other end asks until it asks for the device that is offered: the stream carries its requests from then on.
 * @throws Fault `usb.malformed`, `usb.lost`; `usb.unusable` when it asks for another one, which it is told.
 */
export async function offerDevice(stream: Duplex, offered: OfferedDevice): Promise<void> {
  const { device } = offered
  for (;;) {
    const code = await readRequest(stream)
    if (code === REQUEST_LIST) {
      stream.write(listReply([offered]))
      continue
    }
    const busId = (await readBytes(stream, BUS_ID_BYTES)).toString('latin1').replace(/\0.*$/s, '')
    if (busId !== device.busId) {
      stream.write(head(REPLY_IMPORT, NO_DEVICE))
      const shown = isBusId(busId) ? busId : 'what is no bus id'
      throw new Fault('usb.unusable', { device: shown, reason: reasonOf(NO_DEVICE) })
    }
    stream.write(Buffer.concat([head(REPLY_IMPORT), encodeDevice(device)]))
    return
  }
}

function listReply(offered: readonly OfferedDevice[]): Buffer {
  const count = Buffer.alloc(4)
  count.writeUInt32BE(offered.length)
  const devices = offered.flatMap(({ device, interfaces }) => [
    encodeDevice({ ...device, interfaces: interfaces.length }),
    ...interfaces.map((each) => Buffer.from([...each, 0])),
  ])
  return Buffer.concat([head(REPLY_LIST), count, ...devices])
}

/** @returns the code of a request. */
async function readRequest(stream: Readable): Promise<number> {
  const bytes = await readBytes(stream, HEAD_BYTES)
  requireVersion(bytes)
  const code = bytes.readUInt16BE(2)
  if (code === REQUEST_LIST || code === REQUEST_IMPORT) return code
  throw new Fault('usb.malformed', { problem: `a request ${code.toString(16)}` })
}

/** @returns the status of a reply. */
async function readHead(stream: Readable, wanted: number): Promise<number> {
  const bytes = await readBytes(stream, HEAD_BYTES)
  requireVersion(bytes)
  const code = bytes.readUInt16BE(2)
  if (code !== wanted) throw new Fault('usb.malformed', { problem: `a reply ${code.toString(16)}` })
  return bytes.readUInt32BE(4)
}

function requireVersion(bytes: Buffer): void {
  const version = bytes.readUInt16BE()
  if (version !== VERSION) throw new Fault('usb.malformed', { problem: `version ${version.toString(16)}` })
}

function head(code: number, status = DONE): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES)
  bytes.writeUInt16BE(VERSION)
  bytes.writeUInt16BE(code, 2)
  bytes.writeUInt32BE(status, 4)
  return bytes
}

function reasonOf(status: number): string {
  return REFUSALS[status] ?? `the other end says ${status}`
}

/** So many bytes and no more: what follows stays in the stream. @throws Fault `usb.lost` when it ends before. */
async function readBytes(stream: Readable, count: number): Promise<Buffer> {
  for (;;) {
    const bytes = stream.read(count) as Buffer | null
    if (bytes?.length === count) return bytes
    const reason = 'the stream ended before the device came'
    if (bytes !== null || stream.readableEnded || stream.destroyed) throw new Fault('usb.lost', { reason })
    const news = new AbortController()
    const { signal } = news
    try {
      await Promise.race(['readable', 'end', 'close'].map((event) => once(stream, event, { signal })))
    } finally {
      news.abort()
    }
  }
}
