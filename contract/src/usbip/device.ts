import { Fault } from '../fault.ts'

/** The kernel's numbers of speeds (`enum usb_device_speed`), in the order of the numbers. */
const SPEEDS = ['unknown', 'low', 'full', 'high', 'wireless', 'super', 'super-plus'] as const
export type UsbSpeed = (typeof SPEEDS)[number]

/** A USB device as USB/IP tells of it. */
export interface UsbDevice {
  /** Where it lies in sysfs; for people only. */
  readonly path: string
  /** As `1-2.3`: by that it is asked for. */
  readonly busId: string
  readonly bus: number
  readonly number: number
  readonly speed: UsbSpeed
  readonly vendor: number
  readonly product: number
  /** `bcdDevice`. */
  readonly release: number
  readonly class: UsbClass
  readonly configuration: number
  readonly configurations: number
  readonly interfaces: number
}

/** Class, subclass and protocol. */
export type UsbClass = readonly [number, number, number]

/** Longest text of `busid` with the byte that ends it. */
export const BUS_ID_BYTES = 32
const PATH_BYTES = 256
export const DEVICE_BYTES = 312

/** By this number the kernel speaks of a device in each request. */
export function deviceId({ bus, number }: UsbDevice): number {
  return ((bus << 16) | number) >>> 0
}

/** The number of a speed, as the kernel writes it. */
export function speedNumber(speed: UsbSpeed): number {
  return SPEEDS.indexOf(speed)
}

/** Vendor and product as everybody writes them: `046d:c31c`. */
export function usbName({ vendor, product }: Pick<UsbDevice, 'vendor' | 'product'>): string {
  return [vendor, product].map((number) => number.toString(16).padStart(4, '0')).join(':')
}

/** Whether a text is a bus id: it goes into names of files. */
export function isBusId(text: string): boolean {
  return text.length < BUS_ID_BYTES && /^[1-9]\d*-[1-9]\d*(\.[1-9]\d*)*$/.test(text)
}

/** `struct usbip_usb_device` of usb/usbip_protocol. */
export function encodeDevice(device: UsbDevice): Buffer {
  const bytes = Buffer.alloc(DEVICE_BYTES)
  bytes.write(device.path.slice(0, PATH_BYTES - 1), 0, 'latin1')
  bytes.write(device.busId, PATH_BYTES, 'latin1')
  const words = [device.bus, device.number, speedNumber(device.speed)]
  words.forEach((word, index) => bytes.writeUInt32BE(word, 288 + 4 * index))
  const halves = [device.vendor, device.product, device.release]
  halves.forEach((half, index) => bytes.writeUInt16BE(half, 300 + 2 * index))
  bytes.set([...device.class, device.configuration, device.configurations, device.interfaces], 306)
  return bytes
}

/**
 * The other way round.
 * @param bytes `DEVICE_BYTES` of them.
 * @throws Fault `usb.malformed`.
 */
export function decodeDevice(bytes: Buffer): UsbDevice {
  const busId = textOf(bytes.subarray(PATH_BYTES, PATH_BYTES + BUS_ID_BYTES))
  if (!isBusId(busId)) throw new Fault('usb.malformed', { problem: 'a bus id that is none' })
  const speed = SPEEDS[bytes.readUInt32BE(296)]
  if (speed === undefined) throw new Fault('usb.malformed', { problem: 'a speed that is none' })
  return {
    path: textOf(bytes.subarray(0, PATH_BYTES)),
    busId,
    bus: bytes.readUInt32BE(288) & 0xffff,
    number: bytes.readUInt32BE(292) & 0xffff,
    speed,
    vendor: bytes.readUInt16BE(300),
    product: bytes.readUInt16BE(302),
    release: bytes.readUInt16BE(304),
    class: [bytes.readUInt8(306), bytes.readUInt8(307), bytes.readUInt8(308)],
    configuration: bytes.readUInt8(309),
    configurations: bytes.readUInt8(310),
    interfaces: bytes.readUInt8(311),
  }
}

/** A text of C: up to the first zero. */
function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0)
  return bytes.toString('latin1', 0, end === -1 ? bytes.length : end)
}
