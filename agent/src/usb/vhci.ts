import { deviceId, speedNumber, type UsbDevice, type UsbSpeed } from '@ostler/contract/usbip/device.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { giveKernelSocket, GIVEN_FD } from '@ostler/kit/kernel-socket.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'

/** The first of the kernel's virtual host controllers; the others are reached through it (drivers/usb/usbip/vhci_sysfs.c). */
const CONTROLLER = '/sys/devices/platform/vhci_hcd.0'
const MODULE = 'vhci-hcd'
/** `VDEV_ST_NULL` of the kernel: nothing is at this port. */
const FREE = 4
const FAST: readonly UsbSpeed[] = ['super', 'super-plus']
const MODPROBE_MS = 20_000
const LEAVE_MS = 5_000
const LOOK_MS = 50

/** A port of the virtual hub. */
interface Port {
  readonly number: number
  readonly fast: boolean
  readonly free: boolean
}

/** A device that the kernel has. */
export interface AttachedDevice {
  readonly port: number
  /** Takes it away; resolves when its port is free again, or the kernel did not get there in 5 s. */
  readonly detach: () => Promise<boolean>
}

/**
 * Gives the kernel a device that stands at the other end of a stream of USB/IP. Closing that stream takes the device away.
 *
 * @param connect is called with the kernel's stream before it has said anything.
 * @throws Fault `usb.unavailable`.
 */
export type AttachDevice = (device: UsbDevice, connect: (kernel: Duplex) => void) => Promise<AttachedDevice>

export const attachDevice: AttachDevice = async (device, connect) => {
  await requireController()
  const fast = FAST.includes(device.speed)
  const port = ports().find((each) => each.free && each.fast === fast)
  if (port === undefined)
    throw new Fault('usb.unavailable', { reason: 'every port of its virtual hub is taken' })
  const words = [port.number, GIVEN_FD, deviceId(device), speedNumber(device.speed)].join(' ')
  try {
    const kernel = await giveKernelSocket(join(CONTROLLER, 'attach'), words, connect)
    return { port: port.number, detach: () => detach(port.number, kernel) }
  } catch (cause) {
    const reason = `its kernel refuses: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new Fault('usb.unavailable', { reason }, { cause })
  }
}

/** Closing the stream is what the kernel heeds; where it does not, it is told. */
async function detach(port: number, kernel: Duplex): Promise<boolean> {
  kernel.destroy()
  const isFree = (): boolean => ports().find(({ number }) => number === port)?.free ?? true
  if (await comesToHold(isFree, LEAVE_MS, LOOK_MS)) return true
  try {
    writeFileSync(join(CONTROLLER, 'detach'), String(port))
  } catch {
    // it has gone in this moment
  }
  return isFree()
}

/** Loads the kernel's module where it is not. @throws Fault `usb.unavailable`. */
async function requireController(): Promise<void> {
  if (hasController()) return
  await run('modprobe', [MODULE], { timeoutMs: MODPROBE_MS }).catch(() => {})
  if (!hasController()) throw new Fault('usb.unavailable', { reason: `its kernel has no module ${MODULE}` })
}

function hasController(): boolean {
  try {
    return statusFiles().length > 0
  } catch {
    return false
  }
}

/** Every sixteen ports have a file of their own. */
function statusFiles(): readonly string[] {
  return readdirSync(CONTROLLER).filter((name) => /^status(\.\d+)?$/.test(name))
}

function ports(): readonly Port[] {
  return statusFiles().flatMap((name) => parsePorts(readFileSync(join(CONTROLLER, name), 'utf8')))
}

/** Reads a `status` file: after its title a line per port, `hub port sta spd dev sockfd local_busid`. */
export function parsePorts(text: string): readonly Port[] {
  return text.split('\n').flatMap((line) => {
    const [, hub, number = '', state = ''] = /^(hs|ss)\s+(\d+)\s+(\d+)\s/.exec(line) ?? []
    return hub === undefined
      ? []
      : [{ number: Number(number), fast: hub === 'ss', free: Number(state) === FREE }]
  })
}
