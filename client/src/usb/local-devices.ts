import { Fault } from '@ostler/contract/fault.ts'
import { isBusId, type UsbClass, type UsbSpeed, usbName } from '@ostler/contract/usbip/device.ts'
import type { OfferedDevice } from '@ostler/contract/usbip/operations.ts'
import { readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'

export const USB_DEVICES = '/sys/bus/usb/devices'
/** In Mbit/s, as sysfs writes them. */
const SPEEDS: Readonly<Record<string, UsbSpeed>> = {
  '1.5': 'low',
  '12': 'full',
  '480': 'high',
  '5000': 'super',
  '10000': 'super-plus',
  '20000': 'super-plus',
}
/** Base class of hubs: what hangs at one is shared, never the hub itself. */
const HUB = 9

/** A USB device of this machine. */
export interface LocalDevice extends OfferedDevice {
  /** As it calls itself, without control characters. */
  readonly name: string
}

/** The USB devices of this machine that can be shared: every one but hubs. None where there is no USB. */
export function localDevices(folder = USB_DEVICES): readonly LocalDevice[] {
  return namesIn(folder)
    .filter(isBusId)
    .flatMap((busId) => readDevice(folder, busId) ?? [])
    .filter(({ device }) => device.class[0] !== HUB)
}

/**
 * The device that is meant: by its bus id (`1-2.3`), or by vendor and product (`046d:c31c`).
 * @throws Fault `usb.unusable` when there is none, or more than one.
 */
export function findDevice(word: string, devices: readonly LocalDevice[]): LocalDevice {
  const fitting = devices.filter(
    ({ device }) => device.busId === word || usbName(device) === word.toLowerCase(),
  )
  const [only, another] = fitting
  if (only !== undefined && another === undefined) return only
  const places = fitting.map(({ device }) => device.busId).join(' and ')
  const reason = only === undefined ? 'there is none' : `it is there more than once, at ${places}`
  throw new Fault('usb.unusable', { device: word, reason })
}

/** @returns `undefined` for one that has gone in this moment. */
function readDevice(folder: string, busId: string): LocalDevice | undefined {
  try {
    const path = realpathSync(join(folder, busId))
    const text = (name: string): string => readFileSync(join(path, name), 'latin1').trim()
    const hex = (name: string): number => parseInt(text(name), 16)
    const device = {
      path,
      busId,
      bus: Number(text('busnum')),
      number: Number(text('devnum')),
      speed: SPEEDS[text('speed')] ?? 'unknown',
      vendor: hex('idVendor'),
      product: hex('idProduct'),
      release: hex('bcdDevice'),
      class: classIn(path, 'bDevice'),
      // Empty where the device has no configuration yet.
      configuration: Number(text('bConfigurationValue')),
      configurations: Number(text('bNumConfigurations')),
      interfaces: Number(text('bNumInterfaces')),
    }
    const interfaces = namesIn(path)
      .filter((name) => name.startsWith(`${busId}:`))
      .map((name) => classIn(join(path, name), 'bInterface'))
    return { device, interfaces, name: nameIn(path) }
  } catch {
    return undefined
  }
}

function classIn(path: string, prefix: string): UsbClass {
  const number = (what: string): number =>
    parseInt(readFileSync(join(path, `${prefix}${what}`), 'latin1'), 16)
  return [number('Class'), number('SubClass'), number('Protocol')]
}

/** A device says what it likes of itself, or nothing. */
function nameIn(path: string): string {
  const words = ['manufacturer', 'product'].map((file) => {
    try {
      return readFileSync(join(path, file), 'utf8').replace(/\p{Cc}+/gu, ' ')
    } catch {
      return ''
    }
  })
  return words
    .map((word) => word.trim())
    .join(' ')
    .trim()
    .slice(0, 255)
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort((one, other) => one.localeCompare(other, 'en', { numeric: true }))
  } catch {
    return []
  }
}
