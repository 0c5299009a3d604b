import type { SessionEvent } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { UsbStream } from '@ostler/contract/usb-stream.ts'
import { type UsbDevice, usbName } from '@ostler/contract/usbip/device.ts'
import { importDevice } from '@ostler/contract/usbip/operations.ts'
import { carryUrbs, UrbWatch } from '@ostler/contract/usbip/urb-watch.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Observable } from '@ostler/kit/observable.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import type { Duplex } from 'node:stream'
import type { AgentValues } from '../config/options.ts'
import type { Pairs } from '../hooks/run-hook.ts'
import { requireAllowed } from './usb-policy.ts'
import type { AttachDevice, AttachedDevice } from './vhci.ts'

interface UsbParts {
  /** The session whose client's devices these are. */
  readonly session: {
    readonly account: Account | undefined
    readonly pairs: Pairs
    readonly news: Observable<SessionEvent>
  }
  readonly config: () => AgentValues
  readonly log: Log
  /** Whether this desktop has a kernel of its own. A container has its node's, whose devices would be everybody's. */
  readonly ownKernel: boolean
  readonly attach: AttachDevice
}

interface Kept {
  /** Takes it away, once; resolves when nothing is left of it. */
  readonly end: (why: Fault) => Promise<void>
}

/** The client says at once what it wants, and answers at once. */
const OPEN_MS = 10_000
/** So long the other end may take to hear the last word. */
const FAREWELL_MS = 1_000
const MAX_DEVICES = 8
/** No device outlives the client that brought it. */
const OVER: ReadonlySet<string> = new Set(['suspended', 'stopping', 'stopped'])

/**
 * The USB devices of the client in this desktop. Each is at a port of the kernel's virtual hub, and goes when its stream ends,
 * falls silent or says what no device says, or when the session suspends.
 */
export class UsbDevices implements AsyncDisposable {
  readonly #parts: UsbParts
  readonly #kept = new Set<Kept>()
  readonly #unsubscribe: () => void
  /** How many are being attached. */
  #opening = 0
  #closed = false

  constructor(parts: UsbParts) {
    this.#parts = parts
    let last = parts.session.news.value.state
    this.#unsubscribe = parts.session.news.subscribe(({ state }) => {
      const changed = state !== last
      last = state
      if (changed && OVER.has(state)) void this.endAll(`the session is ${state}`)
    })
  }

  /**
   * Attaches the device that a client offers on `stream`, which is ours from now on, until either end goes. The client hears
   * in a fault why it was not attached, or why it has gone. Never rejects.
   */
  async take(stream: UsbStream): Promise<void> {
    stream.on('error', () => {}) // 'close' follows
    this.#opening += 1
    try {
      const device = await this.#askFor(stream)
      await this.#attach(stream, device)
    } catch (error) {
      hangUp(stream, asFault(error, this.#parts.log))
    } finally {
      this.#opening -= 1
    }
  }

  /** Takes every device away. */
  async endAll(reason: string): Promise<void> {
    const why = new Fault('usb.lost', { reason })
    await Promise.all([...this.#kept].map((kept) => kept.end(why)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    this.#unsubscribe()
    await this.endAll('the agent ends')
  }

  /** Hears what the client would share, and imports it if it may. */
  async #askFor(stream: UsbStream): Promise<UsbDevice> {
    const { session, config, ownKernel } = this.#parts
    if (!ownKernel)
      throw new Fault('usb.unavailable', { reason: 'it is a container, and has no kernel of its own' })
    if (session.account === undefined || this.#closed) throw new Fault('session.busy', { state: 'stopped' })
    const wanted = await withDeadline('the wish', OPEN_MS, () => stream.asked)
    requireAllowed(session.pairs, config()['vma.usb.devices'], wanted)
    if (this.#opening + this.#kept.size > MAX_DEVICES)
      throw new Fault('usb.refused', { reason: `there are ${MAX_DEVICES} already` })
    const device = await withDeadline('the device', OPEN_MS, () => importDevice(stream, wanted.busId))
    if (device.vendor !== wanted.vendor || device.product !== wanted.product)
      throw new Fault('usb.malformed', { problem: `${usbName(wanted)} has become ${usbName(device)}` })
    return device
  }

  /** Has the kernel have it until its stream ends. */
  async #attach(stream: UsbStream, device: UsbDevice): Promise<void> {
    const { log } = this.#parts
    const watch = new UrbWatch(device)
    const ended = Promise.withResolvers<Fault>()
    const over = (reason: unknown): void => ended.resolve(faultOf(reason))
    const connect = (kernel: Duplex): void => {
      // Whatever ends, ends both ways: there is no half of a device.
      carryUrbs(kernel, watch.requests(), stream, (why) => over(why ?? 'the kernel has let go of it'))
      carryUrbs(stream, watch.answers(), kernel, (why) => over(why ?? 'the client has ended it'))
    }
    const attached = await this.#parts.attach(device, connect)
    const kept = this.#keep(stream, attached, usbName(device))
    void ended.promise.then(kept.end)
    // In the meantime the session may have gone, and nobody knew of this device then.
    if (this.#closed || this.#parts.session.account === undefined)
      return void (await kept.end(new Fault('usb.lost', { reason: 'the session has ended' })))
    stream.say('opened', { port: attached.port })
    log.info('USB device attached', { device: usbName(device), port: attached.port })
  }

  #keep(stream: UsbStream, { port, detach }: AttachedDevice, device: string): Kept {
    let ending: Promise<void> | undefined
    const takeAway = async (why: Fault): Promise<void> => {
      hangUp(stream, why)
      const left = await detach()
      this.#kept.delete(kept)
      const about = { device, port, reason: why.message }
      if (left) this.#parts.log.info('USB device gone', about)
      else this.#parts.log.warn('USB device does not leave its port', about)
    }
    const kept: Kept = { end: (why) => (ending ??= takeAway(why)) }
    this.#kept.add(kept)
    return kept
  }
}

function faultOf(reason: unknown): Fault {
  if (reason instanceof Fault) return reason
  return new Fault('usb.lost', { reason: reason instanceof Error ? reason.message : String(reason) })
}

function asFault(error: unknown, log: Log): Fault {
  if (error instanceof Fault) return error
  log.info('USB device was not attached', { error })
  return faultOf(error)
}

/** Says why, and closes, within a second. */
function hangUp(stream: UsbStream, why: Fault): void {
  if (stream.destroyed) return
  stream.say('fault', why)
  const deadline = setTimeout(() => stream.destroy(), FAREWELL_MS)
  stream.once('close', () => clearTimeout(deadline))
  stream.end()
  stream.resume()
}
