import { Fault } from '@ostler/contract/fault.ts'
import { giveKernelSocket, GIVEN_FD } from '@ostler/kit/kernel-socket.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { USB_DEVICES } from './local-devices.ts'

/** The kernel's driver that gives devices away (drivers/usb/usbip/stub_main.c), and that of all others. */
const DRIVER = '/sys/bus/usb/drivers/usbip-host'
const USUAL_DRIVER = '/sys/bus/usb/drivers/usb'
const MODULE = 'usbip-host'
/** `usbip_status` of a device that nobody has (`SDEV_ST_AVAILABLE`). */
const AVAILABLE = '1'
const MODPROBE_MS = 20_000
const SETTLE_MS = 5_000
const LOOK_MS = 50

/** A device that the kernel gives away, and this machine has no more until it is disposed of. */
export interface HostedDevice extends AsyncDisposable {
  /** The stream of its answers to requests. Ends when the device is pulled out. */
  readonly stream: Duplex
}

/**
 * Takes a device from its driver and has the kernel answer requests for it on a stream. Needs root.
 * @throws Fault `usb.noModule`, `usb.unusable`; the device is its driver's again then.
 */
export async function hostDevice(busId: string): Promise<HostedDevice> {
  await requireDriver()
  const device = join(USB_DEVICES, busId)
  try {
    bind(busId)
    const stream = await giveKernelSocket(join(device, 'usbip_sockfd'), String(GIVEN_FD), () => {})
    return {
      stream,
      [Symbol.asyncDispose]: async () => {
        stream.destroy()
        await comesToHold(() => isAvailable(device), SETTLE_MS, LOOK_MS)
        giveBack(busId)
      },
    }
  } catch (cause) {
    giveBack(busId)
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('usb.unusable', { device: busId, reason }, { cause })
  }
}

/** The order is that of the kernel's own tool: the driver takes nothing that it was not told of. */
function bind(busId: string): void {
  const before = driverOf(busId)
  if (before === basename(DRIVER)) throw new Error('it is shared already')
  if (before !== undefined) writeFileSync(join(USUAL_DRIVER, 'unbind'), busId)
  writeFileSync(join(DRIVER, 'match_busid'), `add ${busId}`)
  writeFileSync(join(DRIVER, 'bind'), busId)
}

/** Each step is tried, whatever became of the one before: a device that was pulled out has none of them. */
function giveBack(busId: string): void {
  const steps: readonly (readonly [string, string])[] = [
    ...(driverOf(busId) === basename(DRIVER) ? [['unbind', busId] as const] : []),
    ['match_busid', `del ${busId}`],
    ['rebind', busId],
  ]
  for (const [file, words] of steps) {
    try {
      writeFileSync(join(DRIVER, file), words)
    } catch {
      // said above
    }
  }
}

function driverOf(busId: string): string | undefined {
  try {
    return basename(readlinkSync(join(USB_DEVICES, busId, 'driver')))
  } catch {
    return undefined
  }
}

/** True also for a device that has gone. */
function isAvailable(device: string): boolean {
  try {
    return readFileSync(join(device, 'usbip_status'), 'latin1').trim() === AVAILABLE
  } catch {
    return true
  }
}

/** Loads the kernel's module where it is not. @throws Fault `usb.noModule`. */
async function requireDriver(): Promise<void> {
  if (existsSync(DRIVER)) return
  await run('modprobe', [MODULE], { timeoutMs: MODPROBE_MS }).catch(() => {})
  if (existsSync(DRIVER)) return
  throw new Fault('usb.noModule', { module: MODULE, reason: `it has no module ${MODULE}` })
}
