import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { UsbStream } from '@ostler/contract/usb-stream.ts'
import type { Duplex } from 'node:stream'
import type { UsbDevices } from './usb-devices.ts'

/** Takes a stream of one USB device from our own client: answers the 101, and attaches the device until either end closes. */
export function takeUsb(devices: UsbDevices, raw: Duplex, head: Buffer): void {
  const { protocol } = upgradeApi.usb
  raw.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`)
  void devices.take(new UsbStream(raw, head))
}
