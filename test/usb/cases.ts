import type { AttachDevice } from '@ostler/agent/usb/vhci.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import { deepEqual, equal } from 'node:assert/strict'
import { UsbRoom } from '../fixtures/usb-room.ts'
import { type Misbehaviour, UsbStandIn } from '../fixtures/usb-stand-in.ts'

/** What is on the desktop's side: a kernel, or what stands in for it. */
export interface UsbDesk {
  readonly attach: AttachDevice
  /** The descriptor of the stand-in's device as the desktop has it; `undefined` while it has none. */
  readonly descriptor: () => Promise<Buffer | undefined>
}

/** So long an emulated processor may take. */
const PATIENCE_MS = 30_000
const LOOK_MS = 100

/** How a device behaves in a desktop, whatever its kernel is. Each case stands alone and leaves no device behind. */
export const USB_CASES: readonly { readonly name: string; readonly run: (desk: UsbDesk) => Promise<void> }[] =
  [
    {
      name: 'a device appears, describes itself, and goes when its client ends it',
      run: async (desk) => {
        await using room = new UsbRoom(desk)
        const abort = new AbortController()
        const served = await room.share(new UsbStandIn(), undefined, abort.signal)
        const descriptor = await appears(desk)
        deepEqual([descriptor.readUInt16LE(8), descriptor.readUInt16LE(10)], [0x1209, 1])
        abort.abort()
        equal(await served.ended, undefined)
        await goes(desk)
      },
    },
    {
      name: 'a device goes when the session suspends, and its client hears why',
      run: async (desk) => {
        await using room = new UsbRoom(desk)
        const served = await room.share(new UsbStandIn())
        await appears(desk)
        room.news.set({ state: 'suspended', session: 1 })
        equal((await served.ended)?.code, 'usb.lost')
        await goes(desk)
      },
    },
    {
      name: 'a device goes when it is pulled out',
      run: async (desk) => {
        await using room = new UsbRoom(desk)
        const device = new UsbStandIn()
        const served = await room.share(device)
        await appears(desk)
        device.destroy()
        equal((await served.ended)?.code, 'usb.lost')
        await goes(desk)
      },
    },
    ...(
      [
        ['that brings more than it was asked for', { tooLongAt: 1 }],
        ['that answers what nobody asked', { strayAt: 1 }],
        ['that answers twice', { twiceAt: 1 }],
      ] as const
    ).map(([what, wrong]) => ({
      name: `a device ${what} is taken away before the kernel hears of it`,
      run: (desk: UsbDesk) => isTakenAway(desk, wrong),
    })),
    {
      name: 'a device that becomes another one than was announced is taken away',
      run: (desk) => isTakenAway(desk, { product: 2 }),
    },
    {
      name: 'a device that never answers hangs nobody, and its port is free again',
      run: async (desk) => {
        await using room = new UsbRoom(desk)
        const abort = new AbortController()
        const device = new UsbStandIn({ silentFrom: 1 })
        const served = await room.share(device, undefined, abort.signal)
        await until('a request', () => Promise.resolve(device.requests > 0))
        abort.abort()
        await served.ended
        await room.devices[Symbol.asyncDispose]()
        equal(await desk.descriptor(), undefined)
      },
    },
  ]

async function isTakenAway(desk: UsbDesk, wrong: Misbehaviour): Promise<void> {
  await using room = new UsbRoom(desk)
  const shared = room
    .share(new UsbStandIn(wrong))
    .then(({ ended }) => ended)
    .catch((error: unknown) => error as { code: string })
  const refused = await withDeadline('its end', PATIENCE_MS, () => shared)
  equal(refused?.code, 'usb.malformed')
  await goes(desk)
}

async function appears(desk: UsbDesk): Promise<Buffer> {
  let found: Buffer | undefined
  await until('the device to appear', async () => (found = await desk.descriptor()) !== undefined)
  return found ?? Buffer.alloc(0)
}

async function goes(desk: UsbDesk): Promise<void> {
  await until('the device to go', async () => (await desk.descriptor()) === undefined)
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`waited for ${what} for ${PATIENCE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}
