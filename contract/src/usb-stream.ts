import type { Duplex } from 'node:stream'
import * as z from 'zod/mini'
import { Fault } from './fault.ts'
import { FramedStream } from './framed-stream.ts'
import { isBusId } from './usbip/device.ts'

const number = z.int().check(z.minimum(0), z.maximum(0xffff))

/** What the client asks for. */
const openUsb = z.strictObject({
  /** The device's place at the client: by that the agent asks for it in USB/IP. */
  busId: z.string().check(z.refine(isBusId, 'is no bus id')),
  vendor: number,
  product: number,
  /** As it calls itself; for logs. */
  name: z.string().check(z.maxLength(255), z.regex(/^\P{Cc}*$/u)),
})

/** What the agent has made of it. */
const openedUsb = z.strictObject({
  /** The port of the desktop's virtual hub at which it is. */
  port: z.int().check(z.minimum(0), z.maximum(1_024)),
})
type OpenUsb = z.output<typeof openUsb>
export type OpenedUsb = z.output<typeof openedUsb>

/**
 * The stream of one USB device, between our client and the agent (tunnel kind `usb`): its data is USB/IP 1.1.1, in which
 * the agent asks for the device and the client offers it (`usbip/operations.ts`).
 */
export class UsbStream extends FramedStream<OpenUsb, OpenedUsb> {
  /** @param head what came on `raw` already. */
  constructor(raw: Duplex, head: Buffer) {
    super(WORDS, raw, head)
  }
}

const WORDS = {
  open: openUsb,
  opened: openedUsb,
  lost: (reason: string) => new Fault('usb.lost', { reason }),
  malformed: (problem: string) => new Fault('usb.malformed', { problem }),
}
