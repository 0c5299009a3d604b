import { Fault } from '@ostler/contract/fault.ts'
import { usbName } from '@ostler/contract/usbip/device.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import type { DisplayStream } from '../door.ts'
import type { DeviceHost } from './host-process.ts'
import { findDevice, type LocalDevice, localDevices } from './local-devices.ts'
import { type ServedDevice, serveDevice } from './serve-device.ts'

/** A device as the user sees it. */
export interface UsbItem {
  readonly busId: string
  /** Vendor and product. */
  readonly kind: string
  readonly name: string
}

interface UsbSharingParts {
  /** Opens a stream for one device to the desktop. */
  readonly open: () => Promise<DisplayStream>
  /** Takes a device from its driver here, and brings its side of USB/IP. */
  readonly host: (busId: string) => Promise<DeviceHost>
  /** A line for the user. */
  readonly tell: (line: string) => void
  /** The devices of this machine. */
  readonly devices?: () => readonly LocalDevice[]
}

/** Its driver may take its time; nobody waits longer. */
const RETURN_MS = 15_000

interface Kept {
  readonly item: UsbItem
  readonly abort: AbortController
  /** Until it is this machine's again. */
  life: Promise<void>
}

/** A device that is not here. */
interface Away {
  readonly ended: ServedDevice['ended']
  readonly returned: Promise<void>
}

/** The USB devices that one open desktop has of this machine. One whose line breaks is this machine's again, and stays so. */
export class SharedDevices implements AsyncDisposable {
  readonly #parts: UsbSharingParts
  readonly #kept = new Map<string, Kept>()

  constructor(parts: UsbSharingParts) {
    this.#parts = parts
  }

  /**
   * Shares a device; the desktop's kernel has it when this resolves.
   * @param word its bus id, or vendor and product.
   * @throws Fault as the server or the desktop says; `usb.noModule`, `usb.unusable`. The device is this machine's again then.
   */
  async add(word: string): Promise<UsbItem> {
    const local = findDevice(word, (this.#parts.devices ?? localDevices)())
    const { device, name } = local
    const { busId } = device
    if (this.#kept.has(busId))
      throw new Fault('usb.unusable', { device: busId, reason: 'it is shared already' })
    const item = { busId, kind: usbName(device), name }
    const kept: Kept = { item, abort: new AbortController(), life: Promise.resolve() }
    this.#kept.set(busId, kept)
    try {
      const served = await this.#serve(local, kept.abort.signal)
      kept.life = this.#keep(kept, served)
      return item
    } catch (error) {
      this.#kept.delete(busId)
      throw error
    }
  }

  /** Takes a device back, by its bus id or kind. @throws Fault `usb.unusable`. */
  async remove(word: string): Promise<void> {
    const found = [...this.#kept.values()].find(
      ({ item }) => item.busId === word || item.kind === word.toLowerCase(),
    )
    if (found === undefined) throw new Fault('usb.unusable', { device: word, reason: 'it is not shared' })
    found.abort.abort()
    await found.life
  }

  list(): UsbItem[] {
    return [...this.#kept.values()].map(({ item }) => item)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#kept.values()]
    for (const { abort } of all) abort.abort()
    await Promise.all(all.map(({ life }) => life))
  }

  /** The server is asked first: who may not share keeps her device all the time. */
  async #serve(local: LocalDevice, signal: AbortSignal): Promise<Away> {
    const line = await this.#parts.open()
    line.stream.on('error', () => {}) // who waits for it hears
    let host: DeviceHost | undefined
    try {
      host = await this.#parts.host(local.device.busId)
      const { ended } = await serveDevice(local, host.stream, line, signal)
      return { ended, returned: host.returned }
    } catch (error) {
      line.stream.destroy()
      await isBack(host?.returned)
      throw error
    }
  }

  /** Never rejects. */
  async #keep({ item }: Kept, { ended, returned }: Away): Promise<void> {
    const why = await ended
    const reason = why?.message.replace(/\p{Cc}+/gu, ' ')
    if (reason !== undefined) this.#parts.tell(`${item.kind}: ${reason}.`)
    await isBack(returned)
    this.#kept.delete(item.busId)
  }
}

/** Waits for a device's driver, but not for ever. Never rejects. */
async function isBack(returned: Promise<void> | undefined): Promise<void> {
  if (returned !== undefined) await withDeadline('its driver', RETURN_MS, () => returned).catch(() => {})
}
